# SPDX-License-Identifier: Apache-2.0
"""Lists that were shown: drawn on request or by configuration, logged with propensities that
outlive kill -9, joined with what follows; over HTTP and through the program."""
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, problem, same, view


# The price that others are compared with.
PRICE = {"user_id": "other", "item_id": "i0", "event": "purchase", "value": 1}


def near(got, want, what=""):
    assert abs(got - want) <= 1e-6 * max(1, abs(want)), (what, got, want)


def exported(s, *more):
    """`penchant export --slates` beside whatever runs, a dict a line."""
    r = subprocess.run([PENCHANT, "export", "-d", s.dir, "--slates", "-", *more], check=True,
                       stdout=subprocess.PIPE, text=True, timeout=120)
    return [json.loads(line) for line in r.stdout.splitlines()]


def slate(s, answer):
    a = s.get("/v1/slates/" + answer.json["recommendation_id"])
    same(a.status, 200, a.body)
    return a.json


def propensities(x):
    """As docs/rewards.md has them, from what was logged of a list that was always drawn."""
    e, score = x["explored"], {}
    for c in x["explored"]["candidates"]:
        score[c["item_id"]] = (c["score"] / e["temperature"] +
                               e["kappa"] * c.get("uncertainty", 0))
    taken, told = 0.0, []
    for j, item in enumerate(x["items"]):
        w = math.exp(score[item["item_id"]] - e["log_normaliser"])
        told.append((1 - e["epsilon"]) * w / (1 - taken) + e["epsilon"] / (e["pool"] - j))
        taken += w
    return told


def test_by_default_lists_are_the_ranking():
    with Shop() as s:
        fill(s)
        a = s.get("/v1/recommend?user_id=u1&k=8")
        assert all(set(i) == {"item_id", "score"} for i in a.json["items"]), a.json
        same(s.get("/v1/recommend?user_id=u1&k=8&explore=0").json["items"], a.json["items"])
        same(s.ask("POST", "/v1/recommend", {"user_id": "u1", "k": 8, "explore": None,
                                             "seed": 3}).json["items"], a.json["items"])
        certain = s.get("/v1/recommend?user_id=u1&k=8&explore=1&temperature=0&epsilon=0")
        same([(i["item_id"], i["score"]) for i in certain.json["items"]],
             [(i["item_id"], i["score"]) for i in a.json["items"]])
        same([i["propensity"] for i in certain.json["items"]], [1] * 8)
        assert "explored" not in slate(s, a)
        assert "propensity" not in s.get("/v1/popular").json["items"][0]


def test_a_seed_draws_the_same_list_and_none_draws_others():
    with Shop() as s:
        fill(s)
        ask = "/v1/recommend?user_id=u1&k=6&explore=1&temperature=1"
        first = s.get(ask + "&seed=11").json["items"]
        same(s.get(ask + "&seed=11").json["items"], first)
        body = {"user_id": "u1", "k": 6, "explore": 1, "temperature": 1, "seed": 11}
        same(s.ask("POST", "/v1/recommend", body).json["items"], first)
        s.restart()
        same(s.get(ask + "&seed=11").json["items"], first, "after a restart")
        others = {tuple(s.get(ask).ids) for _ in range(12)}
        assert len(others) > 6, others


def test_what_is_logged_tells_the_propensities_again_and_outlives_a_kill():
    with Shop() as s:
        fill(s)
        answers = [s.get(f"/v1/recommend?user_id=u{n % 5}&k=5&explore=1&epsilon=0.1"
                         f"&temperature={0.25 + n % 4}&kappa={n % 2}&placement=p{n}")
                   for n in range(20)]
        before = [slate(s, a) for a in answers]  # they are on disk by now
        for a, x in zip(answers, before):
            for shown, item, told in zip(a.json["items"], x["items"], propensities(x)):
                same(item["item_id"], shown["item_id"])
                near(item["propensity"], shown["propensity"])
                assert abs(told - item["propensity"]) < 1e-4 * told, (told, item)
        s.kill()
        s.start()
        same([slate(s, a) for a in answers], before, "after kill -9")
        same(exported(s), before, "exported beside the server")
        same([x["placement"] for x in before], [f"p{n}" for n in range(20)])


def test_frequencies_are_the_propensities():
    with Shop() as s:
        fill(s, items=6)
        count, p = {}, {}
        n = 1500
        for seed in range(1, n + 1):
            a = s.get(f"/v1/recommend?k=1&explore=0.6&temperature=1&seed={seed}").json
            item = a["items"][0]
            count[item["item_id"]] = count.get(item["item_id"], 0) + 1
            p[item["item_id"]] = item["propensity"]
        near(sum(p.values()), 1, p)
        chi = sum((count[i] - n * q) ** 2 / (n * q) for i, q in p.items())
        assert chi < 25, (chi, count, p)  # 5 degrees of freedom: 1 in 7,000


def test_what_follows_is_joined_and_kept():
    with Shop() as s:
        fill(s)
        first = s.get("/v1/recommend?user_id=ann&k=4")
        same(slate(s, first)["user_id"], None, "nobody knows ann yet")
        same(s.events(view("ann", "i1"), PRICE).status, 200)
        same({i["outcome"] for i in slate(s, first)["items"]}, {None}, "and so it is not hers")
        a = s.get("/v1/recommend?user_id=ann&k=4")
        ids = a.ids
        named = {"recommendation_id": a.json["recommendation_id"]}
        x = slate(s, a)
        same(([i["outcome"] for i in x["items"]], x["open"], x["reward"]), ([None] * 4, True, 0))
        same(s.events(view("ann", ids[2], **named)).status, 200)
        x = slate(s, a)
        same([i["outcome"] for i in x["items"]], ["ignored", "ignored", "view", "ignored"])
        near(x["items"][0]["reward"], -0.02)
        near(x["items"][2]["reward"], 0.2)
        buy = {"user_id": "ann", "item_id": ids[2], "event": "purchase", "value": 1e6}
        same(s.events(buy).status, 200)  # joined by user and item
        x = slate(s, a)
        near(x["items"][2]["purchase"], 2)
        near(x["items"][2]["engagement"], 0.2)
        near(x["reward"], sum(i["reward"] for i in x["items"]))
        s.kill()
        s.start()
        same(slate(s, a), x, "after kill -9")
        same(s.events({"user_id": "ann", "item_id": ids[2], "event": "refund"}).status, 200)
        near(slate(s, a)["items"][2]["reward"], 0.2)
        same(exported(s)[-1], slate(s, a))


def test_a_shop_whose_log_is_old_joins_from_the_first_list_on():
    s = Shop()
    log = os.path.join(s.dir, "old.csv")
    with open(log, "w", encoding="utf-8") as f:
        f.write("user_id,item_id,event,timestamp\n")
        f.writelines(f"u{n % 5},i{n % 9},view,{1400000000 + n}\n" for n in range(60))
    subprocess.run([PENCHANT, "import", "-d", s.dir, "--events", log, "-q"], check=True,
                   stdout=subprocess.DEVNULL)
    with s:
        a, b = (s.get("/v1/recommend?user_id=u1&k=3") for _ in range(2))
        same({i["outcome"] for i in slate(s, a)["items"]}, {None})
        s.events(view("u1", a.ids[0], recommendation_id=a.json["recommendation_id"]))
        same(slate(s, a)["items"][0]["outcome"], "view")
        s.events(view("u1", b.ids[1]))
        same(slate(s, b)["items"][1]["outcome"], "view")


def test_reported_impressions_tell_what_was_looked_at():
    with Shop() as s:
        fill(s)
        a = s.get("/v1/recommend?user_id=u1&k=3")
        named = {"recommendation_id": a.json["recommendation_id"]}
        s.events({"user_id": "u1", "item_id": a.ids[0], "event": "impression", **named},
                 {"user_id": "u1", "item_id": a.ids[2], "event": "impression", **named},
                 view("u1", a.ids[2], **named))
        x = slate(s, a)
        same([i["outcome"] for i in x["items"]], ["ignored", "unseen", "view"])
        same([i["reward"] for i in x["items"]], [-0.02, 0, 0.2])
        s.restart()
        same(slate(s, a), x)


def test_late_purchases_are_credited_when_they_come():
    with Shop() as s:
        fill(s)
        same(s.events(view("ann", "i1"), PRICE).status, 200)
        a = s.get("/v1/recommend?user_id=ann&k=2")
        shown = slate(s, a)["timestamp"]
        day = 86400 * 10**6
        for days, item, want in ((6, a.ids[0], 2), (8, a.ids[1], 0)):
            same(s.events({"user_id": "ann", "item_id": item, "event": "purchase",
                           "value": 1e6, "timestamp": shown + days * day}).status, 200)
            near(slate(s, a)["items"][a.ids.index(item)].get("purchase", 0), want, days)


def test_bad_requests_name_the_field():
    with Shop() as s:
        fill(s)
        problem(s.get("/v1/recommend?explore=often"), 400, "explore")
        problem(s.get("/v1/recommend?explore=nan"), 400, "explore")
        problem(s.get("/v1/recommend?explore=2"), 422, "explore")
        problem(s.get("/v1/recommend?explore=1&epsilon=-1"), 422, "epsilon")
        problem(s.get("/v1/recommend?seed=-1"), 400, "seed")
        problem(s.get("/v1/recommend?seed=0"), 400, "seed")
        problem(s.ask("POST", "/v1/recommend", {"temperature": "hot"}), 422, "temperature")
        problem(s.ask("POST", "/v1/recommend", {"seed": 1.5}), 422, "seed")
        problem(s.get("/v1/slates/nothing"), 404)
        problem(s.get("/v1/slates/nothing?k=1"), 400, "k")


def test_a_shop_is_configured_by_its_file():
    s = Shop()
    with open(os.path.join(s.dir, "penchant.conf"), "w", encoding="utf-8") as f:
        f.write("[rewards]\nview = 0.5\n\n[explore]\nshare = 0.5\ntemperature = 1\n")
    with s:
        fill(s)
        a = s.get("/v1/recommend?user_id=ann&k=3")
        assert 0 < a.json["items"][0]["propensity"] < 1, a.json
        s.events(view("ann", a.ids[0], recommendation_id=a.json["recommendation_id"]))
        x = slate(s, a)
        near(x["items"][0]["reward"], 0.5)
        same((x["explored"]["share"], x["explored"]["temperature"]), (0.5, 1))
    bad = Shop()
    with open(os.path.join(bad.dir, "penchant.conf"), "w", encoding="utf-8") as f:
        f.write("[rewards]\nview = lots\n")
    r = subprocess.run([PENCHANT, "status", "-d", bad.dir], stderr=subprocess.PIPE, text=True,
                       timeout=120)
    assert r.returncode == 1 and "penchant.conf:2: view:" in r.stderr or \
        "there is no" in r.stderr, r.stderr
    r = subprocess.run([PENCHANT, "serve", "-d", bad.dir, "--listen", "127.0.0.1:0"],
                       stderr=subprocess.PIPE, text=True, timeout=120)
    assert r.returncode == 1 and "penchant.conf:2: view:" in r.stderr, r


def test_the_program_draws_and_exports():
    with Shop() as s:
        fill(s)
        s.stop()

        def recommend(*more):
            r = subprocess.run([PENCHANT, "recommend", "-d", s.dir, "-u", "u1", "--json", *more],
                               check=True, stdout=subprocess.PIPE, text=True, timeout=120)
            return json.loads(r.stdout)

        drawn = ["--explore", "1", "--temperature", "2", "--kappa", "1", "--epsilon", "0.2",
                 "--seed", "5"]
        a, b, plain = recommend(*drawn), recommend(*drawn), recommend()
        same(a["items"], b["items"])
        assert "propensity" in a["items"][0] and "propensity" not in plain["items"][0]
        path = os.path.join(s.dir, "slates.jsonl")
        subprocess.run([PENCHANT, "export", "-d", s.dir, "--slates", path], check=True)
        with open(path, encoding="utf-8") as f:
            rows = [json.loads(line) for line in f]
        same([r["recommendation_id"] for r in rows],
             [x["recommendation_id"] for x in (a, b, plain)])
        same(rows[0]["explored"]["epsilon"], 0.2)
        assert not os.path.exists(path + ".part")
        nowhere = os.path.join(s.dir, "no", "such", "folder")
        r = subprocess.run([PENCHANT, "export", "-d", s.dir, "--slates", nowhere],
                           stderr=subprocess.PIPE, text=True, timeout=120)
        assert r.returncode == 1 and "cannot write" in r.stderr, r
        r = subprocess.run([PENCHANT, "export", "-d", s.dir], stderr=subprocess.PIPE, text=True,
                           timeout=120)
        same(r.returncode, 2)
        s.start()


if __name__ == "__main__":
    main(globals())
