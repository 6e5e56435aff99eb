# SPDX-License-Identifier: Apache-2.0
"""Segments over HTTP and the command line: found by training beside a running server, moved
by events, the same after a restart, told alike by both; look-alikes and their errors."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, problem, same, view

USERS = 120


def run(*args, status=0, stdin=None):
    """The program's standard output, or its standard error when it fails as it should."""
    r = subprocess.run([PENCHANT, *args], input=stdin, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    same(r.returncode, status, r.stderr)
    return r.stdout if status == 0 else r.stderr


def train(s, seed=1):
    """Trains beside the server and waits until it has the segments."""
    def version():
        return int(re.search(r"^penchant_model_version (\d+)$",
                             s.get("/metrics").body.decode(), re.M)[1])
    before = version()
    run("train", "-d", s.dir, "--preset", "sasrec", "--dim", "16", "--blocks", "1",
        "--max-length", "20", "--epochs", "12", "--seed", str(seed), "--quiet")
    until = time.monotonic() + 120
    while version() == before or s.get("/v1/segments").status != 200:
        assert time.monotonic() < until, "the server did not pick the model up"
        time.sleep(0.05)


def segment_of(s, user):
    return s.get(f"/v1/users/{user}").json["segment"]


def all_segments(s):
    return {u: segment_of(s, f"u{u}") for u in range(USERS)}


def test_segments_of_a_running_shop():
    with Shop() as s:
        fill(s, items=40, users=USERS)
        problem(s.get("/v1/segments"), 404)
        problem(s.get("/v1/segments/0"), 404)
        problem(s.ask("POST", "/v1/segments/lookalike", {"user_ids": ["u1"]}), 404)
        problem(s.ask("GET", "/v1/segments/lookalike"), 405)
        same(segment_of(s, "u1"), None)
        train(s)

        told = s.get("/v1/segments?k=4").json
        same((told["users"], told["outside"], told["frequency_of"]), (USERS, 0, "purchases"))
        same(sum(g["users"] for g in told["segments"]), USERS)
        assert len(told["segments"]) >= 2, told["choices"]
        same(told["choices"][0]["segments"], 1)
        members = all_segments(s)
        for g in told["segments"]:
            own = [u for u, seg in members.items() if seg == g["segment"]]
            same(len(own), g["users"])
            same(s.get(f"/v1/segments/{g['segment']}?k=4").json, g)
            # users want items of one category, by whether their number is even
            same(len({u % 2 for u in own}), 1, "a segment of one kind of users")
            same((g["traits"][0]["kind"], g["traits"][0]["name"]),
                 ("category", f"c{own[0] % 2}"))
            same({int(i["item_id"][1:]) % 2 for i in g["items"]}, {own[0] % 2})
            assert g["name"].startswith(f"c{own[0] % 2}"), g["name"]
            assert g["stage"] in ("new", "active", "at risk", "lapsed")
            assert abs(sum(g["stages"].values()) - 1) < 1e-4
            assert g["recency_days"] > 0 and g["frequency"] == 2 and g["monetary"] > 0

        # the program beside the server says the same
        cli = json.loads(run("segments", "-d", s.dir, "--json", "-k", "4"))
        for g in cli["segments"] + told["segments"]:
            g.pop("recency_days")  # the clock goes on
        same(cli, told)

        # a user who turns to the other category changes segment; one who flickers does not
        before = segment_of(s, "u0")
        s.events(view("u0", "i1"))
        s.events(view("u0", "i2"))
        same(segment_of(s, "u0"), before)
        for n in range(40):
            same(s.events(view("u0", f"i{2 * (n % 20) + 1}")).status, 200)
        after = segment_of(s, "u0")
        assert after != before
        assert s.get("/v1/segments").json["changes"] >= 1
        same(s.events(view("newcomer", "i1")).status, 200)
        assert segment_of(s, "newcomer") is not None
        same(s.events(view("stranger", "never_seen_before")).status, 200)
        same(segment_of(s, "stranger"), None)
        same(s.get("/v1/segments").json["outside"], 1)

        # opened anew, after SIGTERM and after a kill, everybody is where they were
        members = all_segments(s)
        s.restart()
        same(all_segments(s), members, "after SIGTERM")
        s.kill()
        s.start()
        same(all_segments(s), members, "after kill -9")

        same(s.ask("DELETE", "/v1/users/u4").status, 204)
        users = s.get("/v1/segments").json["users"]
        same(users, USERS)  # and the newcomer, without u4


def test_lookalikes():
    with Shop() as s:
        fill(s, items=40, users=USERS)
        train(s)
        seeds = [f"u{u}" for u in range(0, 20, 2)]
        a = s.ask("POST", "/v1/segments/lookalike",
                  {"user_ids": seeds + ["nobody"], "k": 50}).json
        same((a["seeds"], a["unknown"], a["blank"], len(a["users"])), (10, 1, 0, 50))
        same({int(u["user_id"][1:]) % 2 for u in a["users"]}, {0})
        assert not set(seeds) & {u["user_id"] for u in a["users"]}
        scores = [u["score"] for u in a["users"]]
        same(scores, sorted(scores, reverse=True))
        same(a["users"][0]["segment"], segment_of(s, a["users"][0]["user_id"]))
        few = s.ask("POST", "/v1/segments/lookalike",
                    {"user_ids": seeds, "k": 1000, "threshold": 0.5}).json
        assert 40 <= len(few["users"]) < USERS - 10, len(few["users"])

        # the program says the same
        path = os.path.join(s.dir, "seeds.txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(seeds + ["nobody"]) + "\r\n\n")
        same(json.loads(run("segments", "-d", s.dir, "--lookalike", path, "--k", "50",
                            "--json")), a)
        text = run("segments", "-d", s.dir, "--lookalike", "-", "--k", "3",
                   stdin="\n".join(seeds))
        assert text.startswith("3 users like the 10 given\n"), text
        same(text.count("\n"), 4)
        text = run("segments", "-d", s.dir, "--lookalike", "-", "--k", "3",
                   stdin="\n".join([*seeds, "nobody"]))
        assert text.startswith("3 users like the 10 given; 1 more: there is no such user\n"), text
        nulls = {"user_ids": seeds, "k": None, "threshold": None}  # as if they were absent
        same(s.ask("POST", "/v1/segments/lookalike", nulls).json,
             s.ask("POST", "/v1/segments/lookalike", {"user_ids": seeds}).json)

        # what is wrong, and nothing changes by it
        def bad(body, field):
            problem(s.ask("POST", "/v1/segments/lookalike", body), 422, field)
        bad({"user_ids": []}, "user_ids")
        bad({"user_ids": "u1"}, "user_ids")
        bad({"user_ids": None}, "user_ids")
        bad({"user_ids": ["u1"] * 10001}, "user_ids")
        bad({"user_ids": ["u1", 2]}, "user_ids")
        bad({"user_ids": ["nobody"]}, "user_ids")
        bad({"k": 3}, "user_ids")
        bad({"user_ids": ["u1"], "k": 0}, "k")
        bad({"user_ids": ["u1"], "k": 1.5}, "k")
        bad({"user_ids": ["u1"], "threshold": 2}, "threshold")
        bad({"user_ids": ["u1"], "threshold": "0"}, "threshold")
        bad({"user_ids": ["u1"], "what": 1}, "what")
        problem(s.ask("POST", "/v1/segments/lookalike", "[1"), 400)
        problem(s.ask("POST", "/v1/segments/lookalike?k=3", {"user_ids": ["u1"]}), 400)
        problem(s.get("/v1/segments/63"), 404)
        problem(s.get("/v1/segments/x"), 404)
        problem(s.get("/v1/segments/-1"), 404)
        problem(s.get("/v1/segments/99999999999"), 404)
        problem(s.get("/v1/segments?k=0"), 400)
        problem(s.get("/v1/segments/0?l=1"), 400)


def test_the_command_for_people():
    with Shop() as s:
        fill(s, items=40, users=USERS)
        assert "no model" in run("segments", "-d", s.dir, status=1)
        long_ago = int(time.time()) - 60 * 86400  # so that there are days to look at
        same(s.events(*[view(f"u{u}", f"i{u % 40}", timestamp=long_ago)
                        for u in range(USERS)]).status, 200)
        train(s)
        text = run("segments", "-d", s.dir)
        assert re.match(rf"{USERS} users in \d+ segments\n", text), text
        assert "\u2588" in text and "days ago" in text and "Item " in text, text
        one = run("segments", "-d", s.dir, "--segment", "0")
        assert one.startswith("segment 0: c"), one
        for word in ("recency", "frequency", "monetary", "active", "category",
                     "wanted more than by others"):
            assert word in one, word
        report = run("segments", "-d", s.dir, "--report")
        for word in ("HR@20", "nats", "two halves", "Rand index", "day to"):
            assert word in report, report
        numbers = json.loads(run("segments", "-d", s.dir, "--report", "--json"))
        same(numbers["users"], USERS)
        assert numbers["halves_rand"] > 0.5, numbers
        assert numbers["hr20_segment"]["value"] >= numbers["hr20_shop"]["value"], numbers
        same(len(numbers["days"]), 7)

        assert "no segment 63" in run("segments", "-d", s.dir, "--segment", "63", status=1)
        run("segments", "-d", s.dir, "--segment", "64", status=2)
        run("segments", "-d", s.dir, "--segment", "0", "--report", status=2)
        assert "--lookalike" in run("segments", "-d", s.dir, "--threshold", ".5", status=2)
        missing = os.path.join(s.dir, "missing")
        assert missing in run("segments", "-d", s.dir, "--lookalike", missing, status=1)
        assert "names no user" in run("segments", "-d", s.dir, "--lookalike", "-", status=1,
                                      stdin="\n\n")


if __name__ == "__main__":
    main(globals())
