# SPDX-License-Identifier: Apache-2.0
"""Experiments and the shop's own off-policy evaluation over HTTP: starting, assigning, results,
stopping, kill and restart, what is refused; lists that the shop shows; /v1/ope and `penchant ope
-d` say the same."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, problem, same  # noqa: E402

ARMS = [{"name": "as-is", "share": 0.5},
        {"name": "simple", "share": 0.5, "sources": "popularity"}]


def arm_of(shop, user):
    told = shop.get("/v1/recommend?user_id=%s&k=3" % user).json.get("experiments", [])
    return {t["experiment"]: (t["arm"], t["shop"]) for t in told}


def test_users_are_in_arms_and_stay_there():
    with Shop() as shop:
        fill(shop)
        a = shop.ask("POST", "/v1/experiments", {"name": "first", "arms": ARMS})
        same(a.status, 201)
        same((a.json["name"], a.json["running"]), ("first", True))
        same([x["name"] for x in a.json["arms"]], ["as-is", "simple"])
        same(a.json["arms"][1]["sources"], "popularity")
        arms = {"u%d" % u: arm_of(shop, "u%d" % u) for u in range(30)}
        assert all(set(v) == {"first"} for v in arms.values()), arms
        assert {v["first"][0] for v in arms.values()} == {"as-is", "simple"}, arms
        same(shop.get("/v1/recommend?k=3").json.get("experiments"), None)
        for user, told in arms.items():
            if told["first"][0] == "simple":
                mine = shop.get("/v1/recommend?user_id=%s&k=3" % user)
                plain = shop.get("/v1/recommend?user_id=%s&k=3&sources=popularity" % user)
                same(mine.ids, plain.ids)
        shop.kill()
        shop.start()
        same({u: arm_of(shop, u) for u in arms}, arms)
        same([e["name"] for e in shop.get("/v1/experiments").json["experiments"]], ["first"])
        stopped = shop.ask("POST", "/v1/experiments", {"name": "first", "running": False})
        same((stopped.status, stopped.json["running"]), (200, False))
        assert stopped.json["stopped_us"] >= stopped.json["started_us"], stopped.json
        same(arm_of(shop, "u1"), {})
        problem(shop.ask("POST", "/v1/experiments", {"name": "first", "arms": ARMS}), 422, "name")
        same(shop.ask("DELETE", "/v1/experiments/first").status, 204)
        problem(shop.get("/v1/experiments/first"), 404)
        same(shop.ask("POST", "/v1/experiments", {"name": "first", "arms": ARMS}).status, 201)


def test_what_is_wrong_is_refused():
    with Shop() as shop:
        for body, field in (({"arms": ARMS}, "name"), ({"name": "x"}, "arms"),
                            ({"name": "x", "arms": ARMS[:1]}, "arms"),
                            ({"name": "x", "arms": [ARMS[0], {"name": "b", "share": .9}]}, "arms"),
                            ({"name": "x", "arms": [ARMS[0], {"name": "b", "shar": .5}]}, "shar"),
                            ({"name": "x", "arms": ARMS, "colour": 1}, "colour"),
                            ({"name": "x", "arms": [ARMS[0], {"name": "b", "share": .5,
                                                              "explore": 7}]}, "explore"),
                            ({"name": "x", "arms": ARMS, "running": False}, "running"),
                            ({"name": "x", "arms": [ARMS[0], 7]}, "arms")):
            problem(shop.ask("POST", "/v1/experiments", body), 422, field)
        problem(shop.ask("POST", "/v1/experiments", {"name": "none", "running": False}), 404)
        problem(shop.ask("DELETE", "/v1/experiments/none"), 404)
        same(shop.get("/v1/experiments").json, {"experiments": []})
        problem(shop.get("/v1/experiments?x=1"), 400)


def live(shop, rounds, chance, seed=1):
    """Everybody is shown a list and clicks its first item, or does not."""
    draw = random.Random(seed)
    for _ in range(rounds):
        events = []
        for u in range(120):
            a = shop.get("/v1/recommend?user_id=u%d&k=3" % u)
            arm = a.json["experiments"][0]["arm"]
            if draw.random() < chance[arm]:
                events.append({"user_id": "u%d" % u, "item_id": a.ids[0], "event": "view",
                               "recommendation_id": a.json["recommendation_id"]})
        same(shop.events(*events).status, 200)


def test_results_may_be_read_at_any_time():
    with Shop() as shop:
        fill(shop, users=120, per_user=2)
        shop.ask("POST", "/v1/experiments", {"name": "clicks", "arms": ARMS})
        early = shop.get("/v1/experiments/clicks").json
        same((early["arms"][1]["users"], early["arms"][1]["gain"]["value"]), (0, None))
        assert "No difference" in early["answer"], early["answer"]
        live(shop, 4, {"as-is": .1, "simple": .8})
        late = shop.get("/v1/experiments/clicks").json
        a, b = late["arms"]
        same(a["users"] + b["users"], 120)
        same(a["lists"] + b["lists"] + late["open"], 480)
        same(a["gain"]["value"], None)
        g = b["gain"]
        assert abs(g["value"] - (b["reward"]["value"] - a["reward"]["value"])) < 1e-7, late
        assert g["low"] < g["value"] < g["high"] and 0 <= g["p"] <= 1, g
        assert b["clicked"] > 3 * a["clicked"], late
        if a["users"] >= 50 and b["users"] >= 50:
            assert g["low"] > 0 and "simple earns more than as-is" in late["answer"], late


def test_the_shops_own_lists():
    with Shop() as shop:
        fill(shop)
        plain = shop.get("/v1/recommend?user_id=u2&k=4")
        shown = ["i39", plain.ids[1]]
        a = shop.ask("POST", "/v1/recommend", {"user_id": "u2", "k": 4, "shown": shown})
        same(a.status, 200)
        same(a.ids, plain.ids)
        slate = shop.get("/v1/slates/" + a.json["recommendation_id"])
        same([i["item_id"] for i in slate.json["items"]], shown)
        same(shop.events({"user_id": "u2", "item_id": "i39", "event": "view",
                          "recommendation_id": a.json["recommendation_id"]}).status, 200)
        slate = shop.get("/v1/slates/" + a.json["recommendation_id"]).json
        assert slate["items"][0]["reward"] > 0, slate
        problem(shop.ask("POST", "/v1/recommend", {"user_id": "u2", "shown": ["nope"]}), 422,
                "shown")
        problem(shop.ask("POST", "/v1/recommend", {"user_id": "u2", "shown": ["i1", "i1"]}), 422,
                "shown")


def test_the_shops_lists_are_evaluated():
    with Shop() as shop:
        fill(shop)
        problem(shop.get("/v1/ope"), 404)
        draw = random.Random(2)
        for n in range(240):
            a = shop.ask("POST", "/v1/recommend", {"user_id": "u%d" % (n % 30), "k": 2,
                                                   "explore": 1, "temperature": 1,
                                                   "epsilon": .2, "placement": "home"})
            if draw.random() < .5:
                shop.events({"user_id": "u%d" % (n % 30), "item_id": a.ids[0], "event": "view",
                             "recommendation_id": a.json["recommendation_id"]})
        asked = "explore=1&temperature=1&epsilon=0.2"
        r = shop.get("/v1/ope?" + asked)
        same(r.status, 200)
        r = r.json
        same(set(r["estimates"]), {"sips", "iips", "rips", "snrips", "cascade-dr"})
        assert abs(r["estimates"]["rips"]["value"] - r["logged"]["value"]) < 1e-4, r
        assert abs(r["estimates"]["rips"]["mean_weight"] - 1) < 1e-4, r
        same(r["clusters"], 30)
        assert 150 < r["n"] <= 240 and r["slots"] == 2 * r["n"], r
        ranking = shop.get("/v1/ope").json
        assert ranking["estimates"]["rips"]["mean_weight"] != 1, ranking
        assert ranking["estimates"]["rips"]["max_weight"] > 1, ranking
        same(shop.get("/v1/ope?placement=home&" + asked).json, r)
        problem(shop.get("/v1/ope?placement=cart"), 404)
        problem(shop.get("/v1/ope?since=2999-01-01"), 404)
        problem(shop.get("/v1/ope?since=whenever"), 400, "since")
        problem(shop.get("/v1/ope?explore=2"), 422, "explore")
        problem(shop.get("/v1/ope?temperature=warm"), 400, "temperature")
        told = subprocess.run([PENCHANT, "ope", "-d", shop.dir, "--explore", "1", "--temperature",
                               "1", "--epsilon", "0.2", "--json"], capture_output=True, text=True)
        same(told.returncode, 0, told.stderr)
        same(json.loads(told.stdout), r)
        text = subprocess.run([PENCHANT, "ope", "-d", shop.dir], capture_output=True, text=True)
        assert "cascade-dr" in text.stdout and "slates of" in text.stdout, text
        both = subprocess.run([PENCHANT, "ope", "-d", shop.dir, "--log", "x"], capture_output=True)
        same(both.returncode, 2)


if __name__ == "__main__":
    main(globals())
