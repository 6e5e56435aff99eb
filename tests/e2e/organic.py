#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worlds `organic` and `switch` through `penchant simulate`: parts, shares and gaps."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, main  # noqa: E402


def run(*args, expect=0):
    r = subprocess.run([PENCHANT, "simulate", *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert r.returncode == expect, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout


def simulate(world, policies, *args):
    out = run("--world", world, "--policy", ",".join(policies), "--json", "-q", *args)
    found = json.loads(out)
    assert found["world"] == world
    assert [p["policy"] for p in found["policies"]] == policies
    return {p["policy"]: p for p in found["policies"]}


def without_time(policies):
    return {name: {k: v for k, v in p.items() if k != "us_a_decision"}
            for name, p in policies.items()}


def test_all_are_listed():
    text = run("--list")
    for name in ("organic", "switch", "bandit-counts", "user-counts", "user-counts-decayed"):
        assert name in text.split(), name


def test_counting_closes_part_of_the_gap():
    p = simulate("organic", ["random", "oracle", "bandit-counts"], "--episodes", "1500",
                 "--seeds", "3")
    for part in ("users 1-1000", "users 1001-2000"):
        low, top, counts = (p[n]["parts"][part] for n in ("random", "oracle", "bandit-counts"))
        assert low["gap"] == 0 and top["gap"] == 1 and top["share_of_oracle"] == 1
        by_hand = ((counts["reward"]["value"] - low["reward"]["value"]) /
                   (top["reward"]["value"] - low["reward"]["value"]))
        assert abs(by_hand - counts["gap"]) < 1e-4, (by_hand, counts)
        assert counts["gap_low"] < counts["gap"] < counts["gap_high"], counts
        assert counts["share_low"] < counts["share_of_oracle"] < counts["share_high"], counts
        assert .2 < counts["gap"] < .85, counts
    assert p["random"]["parts"]["users 2001-3000"]["reward"]["n"] == 0, "nobody came so far"
    text = run("--world", "organic", "--policy", "random", "--episodes", "30", "-q")
    assert "users 1-1000" in text and "users 1001-2000" not in text and "nan" not in text, text
    assert "t90" not in p["random"], "a user's parts are one: nothing switches"


def test_own_counts_lose_at_the_switch_and_recover():
    p = simulate("switch", ["random", "oracle", "user-counts", "user-counts-decayed"],
                 "--episodes", "500", "--seeds", "3")
    parts = {n: [x["share_of_oracle"] for x in p[n]["parts"].values()] for n in p}
    assert list(p["oracle"]["parts"]) == ["before", "0-9", "10-29", "30+"]
    assert all(abs(share - .505) < .08 for share in parts["random"]), parts
    before, at_once, later, last = parts["user-counts-decayed"]
    assert before > .83 and at_once < .72 and at_once < later < last and last > .85, parts
    assert parts["user-counts"][3] < last, "what never fades costs"
    assert p["oracle"]["t90"] <= 3, p["oracle"]["t90"]
    slow = p["user-counts-decayed"]["t90"]
    assert slow is None or slow > 5, slow


def test_threads_and_company_change_nothing():
    few = ["--episodes", "60", "--seeds", "2"]
    one = without_time(simulate("organic", ["random", "bandit-counts"], *few))
    two = without_time(simulate("organic", ["random", "bandit-counts"], *few, "--threads", "2"))
    assert one == two
    alone = without_time(simulate("organic", ["bandit-counts"], *few))["bandit-counts"]
    beside = one["bandit-counts"]
    assert all(alone[k] == beside[k] for k in ("reward", "by_turn")), "luck is nobody's"


def test_one_seed_has_no_interval():
    p = simulate("switch", ["random", "oracle"], "--episodes", "20", "--seeds", "1")
    assert p["random"]["share_of_oracle"] > 0
    assert p["random"]["share_low"] is None and p["random"]["gap_high"] is None
    text = run("--world", "switch", "--policy", "random,oracle", "--episodes", "20", "--seeds",
               "1", "-q")
    assert "% of the oracle, gap  1.00" in text, text


if __name__ == "__main__":
    main(globals())
