# SPDX-License-Identifier: Apache-2.0
"""explain, over HTTP: each item's evidence adds up to its score, probabilities are ones, and
nothing of it is there unasked; before a model is trained, and after."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, problem, same


def check(items, sources):
    assert items, "an empty list explains nothing"
    total = 0
    for item in items:
        parts = item["evidence"]
        assert {part["source"] for part in parts} <= sources, parts
        same(len({part["source"] for part in parts}), len(parts))
        for part in parts:
            same(set(part), {"source", "score", "weight", "contribution"})
        added = sum(part["contribution"] for part in parts)
        assert abs(added - item["score"]) < 1e-3 * (1 + abs(added)), (added, item)
        assert 0 <= item["probability"] <= 1, item
        total += item["probability"]
    assert total < 1.0001, total
    chances = [item["probability"] for item in items]
    same(chances, sorted(chances, reverse=True))


def check_all(s, sources):
    plain = s.get("/v1/recommend?user_id=u1&k=20").json["items"]
    assert all(set(item) == {"item_id", "score"} for item in plain), plain
    told = s.get("/v1/recommend?user_id=u1&k=20&explain=true").json["items"]
    same([item["item_id"] for item in told], [item["item_id"] for item in plain])
    same([item["score"] for item in told], [item["score"] for item in plain])
    check(told, sources)
    asked = s.ask("POST", "/v1/recommend", {"user_id": "u1", "k": 20, "explain": True})
    same(asked.json["items"][0]["evidence"], told[0]["evidence"])
    some = s.get("/v1/recommend?user_id=u1&explain=1&sources=covisitation,popularity")
    check(some.json["items"], {"covisitation", "popularity"})
    visitor = s.get("/v1/recommend?explain=true").json["items"]
    check(visitor, {"popularity"})
    same(s.get("/v1/recommend?user_id=u1&explain=false").json["items"][0].keys(),
         plain[0].keys())
    return told


def test_explained():
    with Shop() as s:
        fill(s, items=60, users=200, per_user=12)
        counting = {"covisitation", "neighbours", "repeat", "popularity"}
        check_all(s, counting)
        problem(s.get("/v1/recommend?user_id=u1&explain=why"), 400, "explain")
        problem(s.ask("POST", "/v1/recommend", {"explain": "yes"}), 422, "explain")
        subprocess.run([PENCHANT, "train", "-d", s.dir, "--preset", "sasrec", "--dim", "16",
                        "--blocks", "1", "--max-length", "20", "--epochs", "8", "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while b"\npenchant_model_version 0\n" in s.get("/metrics").body:
            assert time.monotonic() < until, "the server did not pick the model up"
            time.sleep(0.05)
        check_all(s, counting | {"sequence", "content"})


if __name__ == "__main__":
    main(globals())
