#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a user does next, over HTTP and from the program: before and after training, as events
come in, for newcomers, and what a log without a clock or without types cannot tell."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, problem, same, view

NEXT = ["view", "cart", "purchase", "other", "leave"]
WEEK = ["view", "cart", "purchase", "nothing"]
DAY = 86400


def run(*args, expect=0):
    r = subprocess.run([PENCHANT, *map(str, args)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    same(r.returncode, expect, (args, r.stdout, r.stderr))
    return r


def write_log(path, end, types=True, clock=True):
    """Half a year of visits, one in five days for every user; a cart is bought half the time."""
    rng = random.Random(3)
    with open(path, "w", encoding="utf-8") as f:
        f.write("user_id,item_id,event,timestamp\n")
        for user in range(150):
            at, n = end - 180 * DAY, 0
            while (at := at + int(rng.expovariate(1 / (5 * DAY)))) < end:
                event, now = "view", at
                while event:
                    n += 1
                    f.write(f"u{user},i{rng.randrange(40)},{event if types else 'view'},"
                            f"{now if clock else n}\n")
                    now += rng.randrange(20, 60)
                    r = rng.random()
                    event = ((None if r < .2 else "cart" if r < .4 else "view")
                             if event == "view" else
                             ("purchase" if r < .5 else None) if event == "cart" else
                             ("view" if r < .3 else None))


def train(folder):
    run("train", "-d", folder, "--preset", "sasrec", "--dim", 8, "--epochs", 1, "--quiet")


def get(s, user):
    answer = s.get(f"/v1/users/{user}/next")
    same(answer.status, 200, answer.body)
    x = answer.json
    same(list(x), ["user_id", "known", "timestamp", "next", "within_7_days", "missing"])
    same((x["user_id"], list(x["next"]), list(x["within_7_days"])), (user, NEXT, WEEK))
    return x


def reasons(x):
    return {(m["of"], m["outcome"]): m["reason"] for m in x["missing"]}


def check_sums(x):
    chances = [c for c in x["next"].values() if c is not None]
    assert abs(sum(chances) - 1) < 1e-4, x
    for c in chances + [c for c in x["within_7_days"].values() if c is not None]:
        assert 0 <= c <= 1, x
    week = x["within_7_days"]
    assert week["nothing"] + week["view"] <= 1.0001, x


def wait_for_model(s):
    for _ in range(2400):
        if b"penchant_model_version 1" in s.get("/metrics").body:
            return
        time.sleep(0.05)
    raise AssertionError("the model was not picked up")


def test_next_before_and_after_training():
    now = int(time.time())
    with Shop() as s:
        same(s.stop(), 0)
        log = pathlib.Path(s.dir) / "log.csv"
        write_log(log, now - 3600)
        run("import", "-d", s.dir, "--events", log)
        s.start()
        x = get(s, "u1")
        same((x["known"], len(x["missing"])), (True, 9))
        assert "no model" in reasons(x)["next", "view"], x
        same(set(x["next"].values()) | set(x["within_7_days"].values()), {None})
        train(s.dir)
        wait_for_model(s)

        x = get(s, "u1")
        check_sums(x)
        same(x["known"], True)
        assert abs(x["timestamp"] / 1e6 - time.time()) < 600, x
        same(reasons(x), {("next", "other"): "the shop has logged no such event"})
        same(x["next"]["other"], None)
        assert x["next"]["leave"] > 0.9, ("away", x)

        newcomer = get(s, "nobody")
        check_sums(newcomer)
        same(newcomer["known"], False)
        assert newcomer["next"]["view"] > 0.4, newcomer
        same(newcomer["next"], get(s, "else")["next"])

        # Three users in the middle of a visit, whose last event is 5 s ago.
        visits = {"u1": ["view"], "u2": ["view", "cart"], "u3": ["view", "cart", "purchase"]}
        for user, events in visits.items():
            last = time.time() - 5
            same(s.events(*[{**view(user, "i3"), "event": event,
                             "timestamp": last - 40 * (len(events) - 1 - i)}
                            for i, event in enumerate(events)]).status, 200)
        viewed, carted, bought = get(s, "u1"), get(s, "u2"), get(s, "u3")
        for y in (viewed, carted, bought):
            check_sums(y)
        assert viewed["next"]["leave"] < 0.5 < bought["next"]["leave"], (viewed, bought)
        assert carted["next"]["purchase"] > 0.3 > viewed["next"]["purchase"], (viewed, carted)
        assert viewed["within_7_days"]["view"] > x["within_7_days"]["view"], (viewed, x)

        same(get(s, "new")["known"], False)
        same(s.events({"user_id": "new", "event": "search", "query": "tea"}).status, 200)
        same(get(s, "new")["known"], False)
        same(s.events(view("new", "i1")).status, 200)
        same(get(s, "new")["known"], True)

        problem(s.get("/v1/users/u1/next?k=1"), 400, "k")
        problem(s.ask("POST", "/v1/users/u1/next", {}), 405)
        s.restart()
        check_sums(get(s, "u1"))

        told = json.loads(run("next", "-d", s.dir, "--user", "u1", "--json").stdout)
        same(list(told), list(viewed))
        check_sums(told)
        text = run("next", "-d", s.dir, "-u", "nobody").stdout
        for words in ("user      nobody, as of ", "the rates of newcomers", "\n  view ",
                      "\n  other     cannot be told: the shop has logged no such event",
                      "\n  leaves ", "within 7 days", "\n  nothing ", "█", " %"):
            assert words in text, (words, text)
        assert "give --user" in run("next", "-d", s.dir, expect=2).stderr
        check_evaluate(s.dir)


def check_evaluate(folder):
    e = json.loads(run("evaluate", "-d", folder, "--json").stdout)["outlook"]
    same(list(e), ["next"] + [f"next.{n}" for n in NEXT] + [f"week.{n}" for n in WEEK])
    same(e["next.other"], {"reason": "the shop has logged no such event"})
    for name, q in e.items():
        if name == "next.other":
            continue
        same(q["reason"], None)
        assert q["n"] > 1000, (name, q)
        assert q["log_loss"] < q["base_log_loss"] + 0.002, (name, q)
        if name == "next":
            same((q["auc"], q["ece"], q["rate"]), (None, None, None))
            assert q["gain"] > 3 * q["gain_error"] > 0, q
        else:
            assert 0 <= q["ece"] < 0.08 and 0.4 < q["auc"] <= 1, (name, q)
    assert e["next.purchase"]["auc"] > 0.9, e
    text = run("evaluate", "-d", folder).stdout
    for words in ("what comes", "next.leave ", "AUC", "ECE", "next.other     not given: the shop"):
        assert words in text, (words, text)


def shop_of(folder, **how):
    folder = pathlib.Path(folder)
    write_log(folder / "log.csv", 1700000000, **how)
    run("import", "-d", folder / "shop", "--events", folder / "log.csv")
    train(folder / "shop")
    return folder / "shop"


def test_next_of_a_log_without_types():
    with tempfile.TemporaryDirectory() as folder:
        shop = shop_of(folder, types=False)
        x = json.loads(run("next", "-d", shop, "-u", "u2", "--json").stdout)
        check_sums(x)
        same({k for k, v in x["next"].items() if v is not None}, {"view", "leave"})
        same({k for k, v in x["within_7_days"].items() if v is not None}, {"view", "nothing"})
        same(set(reasons(x).values()), {"the shop has logged no such event"})


def test_next_of_a_log_without_a_clock():
    with tempfile.TemporaryDirectory() as folder:
        shop = shop_of(folder, clock=False)
        for user in ("u2", "nobody"):
            x = json.loads(run("next", "-d", shop, "-u", user, "--json").stdout)
            same((x["timestamp"], len(x["missing"])), (None, 9))
            assert all("no clock" in r for r in reasons(x).values()), x
            same(set(x["next"].values()), {None})
        assert "no clock" in run("next", "-d", shop, "-u", "u2").stdout
        assert "not given: the log has no clock" in run("evaluate", "-d", shop).stdout


if __name__ == "__main__":
    main(globals())
