# SPDX-License-Identifier: Apache-2.0
"""A shop that learns from feedback: what is taken of a list raises its kind in the very next
list, what is ignored falls; over HTTP and through the program, also after kill -9."""
import contextlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, problem, same, view

KINDS = ("red", "blue", "green", "grey")
EACH = 10


@contextlib.contextmanager
def open_shop(adapt="on"):
    """Forty items of four kinds in turn, all looked at equally often by others."""
    s = Shop()
    if adapt:
        configure(s, adapt)
    with s:
        yield fill(s)


def fill(s):
    for i in range(EACH * len(KINDS)):
        same(s.put_item(f"i{i}", category=KINDS[i % len(KINDS)], price=10 + i).status // 100, 2)
    now = int(time.time()) - 86400
    for n in range(80):
        same(s.events(view(f"u{n % 20}", f"i{n * 7 % 40}", timestamp=now + n)).status, 200)
    return s


def configure(s, adapt):
    with open(os.path.join(s.dir, "penchant.conf"), "w", encoding="utf-8") as f:
        f.write(f"[learning]\nadapt = {adapt}\n")


def kind(item_id):
    return KINDS[int(item_id[1:]) % len(KINDS)]


def ask(s, user, more=""):
    a = s.get(f"/v1/recommend?user_id={user}&k=40{more}")
    same(a.status, 200, a.body)
    return a


def place(answer, which):
    """The mean place of the items of a kind."""
    at = [j for j, i in enumerate(answer.ids) if kind(i) == which]
    same(len(at), EACH)
    return sum(at) / EACH


def take(s, user, answer, which):
    """Looks at the first item of a kind that the list shows, so ignoring the others."""
    item = next(i for i in answer.ids if kind(i) == which)
    same(s.events(view(user, item, recommendation_id=answer.json["recommendation_id"])).status, 200)


def metric(s, name):
    for line in s.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def told(s, user):
    """The lists before and after a user's feedback, with and without what it taught."""
    same(s.events(view(user, "i1")).status, 200)
    before = ask(s, user)
    take(s, user, before, "red")
    return before, ask(s, user), ask(s, user, "&adapt=false")


def test_the_very_next_list_has_learned():
    with open_shop() as s:
        before, after, without = told(s, "ann")
        assert place(after, "red") < place(without, "red") - 5, (after.ids, without.ids)
        # ann had looked at one, so they were expected to be taken, and were not
        assert place(after, "blue") > place(without, "blue") + 5, (after.ids, without.ids)
        score = {i["item_id"]: i["score"] for i in without.json["items"]}
        gain = {k: 0.0 for k in KINDS}
        for i in after.json["items"]:
            gain[kind(i["item_id"])] += (i["score"] - score[i["item_id"]]) / EACH
        assert gain["red"] > 0 and all(gain[k] < gain["red"] - .3 for k in KINDS[1:]), gain
        assert metric(s, "penchant_adapt_settled_total") == 40, "each place has an outcome"
        assert metric(s, "penchant_event_to_layer_seconds_count") == 1
        assert 0 <= metric(s, "penchant_adapt_share_fast") <= 1
        same(metric(s, "penchant_adapt_changes_total"), 0)


def test_a_restart_gives_the_same_lists():
    with open_shop() as s:
        for n in range(12):
            user = f"u{n % 3}"
            take(s, user, ask(s, user), KINDS[n % 2])
        asked = [f"/v1/recommend?user_id={u}&k=20" for u in ("u0", "u1", "u2", "nobody")]
        now = [s.get(a).json["items"] for a in asked]
        settled = metric(s, "penchant_adapt_settled_total")
        assert settled > 400, settled
        s.restart()
        same([s.get(a).json["items"] for a in asked], now)
        same(metric(s, "penchant_adapt_settled_total"), settled)
        s.kill()
        s.start()
        same([s.get(a).json["items"] for a in asked], now, "after kill -9")
        plain = [s.get(a + "&adapt=0").json["items"] for a in asked]
        assert plain != now
        s.stop()
        configure(s, "off")
        s.start()
        same([s.get(a).json["items"] for a in asked], plain, "as a shop that does not learn")
        same(metric(s, "penchant_adapt_settled_total"), None)


def test_without_feedback_and_without_the_setting_nothing_changes():
    lists = []
    for adapt in (None, "off", "on"):
        with open_shop(adapt) as s:
            lists.append([ask(s, u).json["items"] for u in ("u1", "u2", "nobody")])
    same(lists[1], lists[0])
    same(lists[2], lists[0])


def test_a_field_of_the_body_and_what_is_no_answer():
    with open_shop() as s:
        told(s, "ann")
        body = {"user_id": "ann", "k": 40}
        with_it = s.ask("POST", "/v1/recommend", body).json["items"]
        same(s.ask("POST", "/v1/recommend", {**body, "adapt": True}).json["items"], with_it)
        same(s.ask("POST", "/v1/recommend", {**body, "adapt": False}).json["items"],
             ask(s, "ann", "&adapt=false").json["items"])
        problem(s.ask("POST", "/v1/recommend", {**body, "adapt": 3}), 422, "adapt")
        problem(s.get("/v1/recommend?adapt=maybe"), 400, "adapt")


def test_explain_says_what_feedback_adds():
    with open_shop() as s:
        told(s, "ann")
        for i in ask(s, "ann", "&explain=true").json["items"]:
            e = {x["source"]: x for x in i["evidence"]}
            total = sum(x["contribution"] for x in i["evidence"])
            assert abs(total - i["score"]) < 1e-4, i
            assert "feedback" in e
        for i in ask(s, "ann", "&explain=true&adapt=false").json["items"]:
            assert all(x["source"] != "feedback" for x in i["evidence"])


def test_the_program_knows_both_lists():
    with open_shop() as s:
        _, after, without = told(s, "ann")
        s.stop()
        for more, want in ((), after), (("--no-adapt",), without):
            r = subprocess.run([PENCHANT, "recommend", "-d", s.dir, "-u", "ann", "-k", "40",
                                "--json", *more], check=True, stdout=subprocess.PIPE,
                               text=True, timeout=120)
            same([i["item_id"] for i in json.loads(r.stdout)["items"]], want.ids, more)
        s.start()


def test_an_erased_user_teaches_nothing_after_a_restart():
    with open_shop() as s:
        told(s, "ann")
        same(s.ask("DELETE", "/v1/users/ann").status // 100, 2)
        s.restart()
        same(metric(s, "penchant_adapt_settled_total"), 0)


def test_a_wrong_setting_is_refused():
    with open_shop("on") as s:
        s.stop()
        configure(s, "maybe")
        r = subprocess.run([PENCHANT, "recommend", "-d", s.dir], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, timeout=60)
        same(r.returncode, 1)
        assert "penchant.conf:2:" in r.stderr and "adapt must be on or off" in r.stderr, r


if __name__ == "__main__":
    main(globals())
