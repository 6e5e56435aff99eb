#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A user's interests over HTTP and from the program: what a constructed history must give,
with and without attributes, a model or a clock; the same after a restart."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, problem, same, view

SHELVES = ("tea", "pans", "books", "shoes", "toys")


def fill(s, now):
    """Ten items on each shelf; others have looked at them all. `both` has two hobbies side by
    side, `moved` went from one to the other, `buyer` has just bought a pan."""
    for i in range(50):
        s.put_item(f"i{i}", title=f"Thing {i}", category=f"all|{SHELVES[i // 10]}",
                   brand=f"b{i % 3}", price=10 + i % 10)
    events = [view(f"u{i % 20}", f"i{i % 50}", timestamp=now - 90 * 86400 + i * 60)
              for i in range(200)]
    for i in range(12):
        at = now - 3600 + i * 60
        events.append(view("both", f"i{i % 2 * 20 + i % 7}", timestamp=at))
        events.append(view("moved", f"i{i % 10}", timestamp=now - (60 - i) * 86400))
        events.append(view("moved", f"i{30 + i % 10}", timestamp=at))
    events.append(view("buyer", "i11", timestamp=now - 60))
    events.append({**view("buyer", "i11", timestamp=now - 30), "event": "purchase"})
    events.append(view("one", "i5", timestamp=now - 30))
    same(s.events(*events).status, 200)


def get(s, user):
    answer = s.get(f"/v1/users/{user}/interests")
    same(answer.status, 200, answer.body)
    return answer.json


def weights(x):
    return x["long_term"]["weight"] + sum(i["weight"] for i in x["short_term"])


def first(interest):
    return interest["categories"][0]["category"]


def check(s, now):
    both = get(s, "both")
    same([first(i) for i in both["short_term"]], ["books", "tea"])
    assert abs(weights(both) - 1) < 1e-4, both
    assert abs(both["timestamp"] / 1e6 - now) < 600, both["timestamp"]
    tea = both["short_term"][1]
    same(tea["events"], 6)
    same(tea["last_timestamp"] - tea["first_timestamp"], 600 * 1000000)
    same(tea["categories"][0]["share"], 1)
    assert tea["categories"][0]["lift"] > 3, tea
    same({c["category"] for c in tea["categories"]}, {"tea", "all"})
    assert 10 <= tea["price"]["low"] <= tea["price"]["high"] <= 16, tea
    for item in tea["items"]:
        assert int(item["item_id"][1:]) < 10, tea
        same(item["title"], "Thing " + item["item_id"][1:])
    moved = get(s, "moved")
    assert moved["drift"] > 0.4 > both["drift"], (moved["drift"], both["drift"])
    same(first(moved["short_term"][0]), "shoes")
    buyer = get(s, "buyer")
    worst = buyer["saturation"][0]
    assert worst["category"] in ("pans", "all") and worst["saturation"] > 0.6, buyer
    assert get(s, "both")["saturation"][0]["saturation"] < worst["saturation"]
    one = get(s, "one")
    same([first(i) for i in one["short_term"]], ["tea"])
    same((one["short_term"][0]["events"], one["long_term"]["events"]), (1, 1))
    assert one["drift"] < 1e-5, one
    return [both, moved, buyer, one]


def without_time(x):
    """Weights fade by the second; what an interest is about does not."""
    return [(i["events"], i["categories"], i["brands"], i["price"], i["items"])
            for i in x["short_term"]]


def test_interests_over_http_and_from_the_program():
    now = int(time.time())
    with Shop() as s:
        problem(s.get("/v1/users/nobody/interests"), 404)
        fill(s, now)
        before = check(s, now)
        problem(s.get("/v1/users/one/interests?k=3"), 400, "k")
        problem(s.ask("POST", "/v1/users/one/interests", {}), 405)
        s.restart()
        same(list(map(without_time, check(s, now))), list(map(without_time, before)))
        told = subprocess.run([PENCHANT, "interests", "-d", s.dir, "--user", "both", "--json"],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
        same(told.count("\n"), 1)
        told = json.loads(told)
        same(without_time(told), without_time(before[0]))
        same(told.keys(), before[0].keys())
        text = subprocess.run([PENCHANT, "interests", "-d", s.dir, "-u", "buyer"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        for words in ("user        buyer, as of ", "drift ", "long-term ", "now 1 ", "█",
                      "pans 100 %", "prices      11.00 to 11.00", "i11 Thing 11", "has had "):
            assert words in text, text
        same(s.ask("DELETE", "/v1/users/both").status, 204)
        problem(s.get("/v1/users/both/interests"), 404)


def test_interests_of_items_of_which_nothing_is_known():
    with Shop() as s:
        same(s.events(*[view("u", f"i{i}") for i in range(9)],
                      {"user_id": "seeker", "event": "search", "query": "tea"}).status, 200)
        x = get(s, "u")
        same(x["drift"], None)
        same(len(x["short_term"]), 1)
        only = x["short_term"][0]
        same((only["events"], only["categories"], only["brands"], only["price"]),
             (9, [], [], None))
        same(only["items"][0], {"item_id": "i8", "title": None})
        same(x["saturation"], [])
        x = get(s, "seeker")
        same((x["short_term"], x["long_term"]["events"]), ([], 0))
        same(x["long_term"]["first_timestamp"], None)


def test_what_is_said_no_to_is_no_interest():
    with Shop() as s:
        fill(s, int(time.time()))
        same({first(i) for i in get(s, "both")["short_term"]}, {"books", "tea"})
        same(s.events(*[{**view("both", f"i{i % 2 * 20 + i % 7}"), "event": "dislike"}
                        for i in range(0, 12, 2)]).status, 200)
        same({first(i) for i in get(s, "both")["short_term"]}, {"books"})


def run(*args, expect=0):
    r = subprocess.run([PENCHANT, *map(str, args)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    same(r.returncode, expect, r.stderr)
    return r


def test_interests_without_a_clock():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "events.csv", "w", encoding="utf-8") as f:
            f.write("user_id,item_id,event,timestamp\n")
            for user in range(30):
                for i in range(20):
                    f.write(f"u{user},{'a' if i < 14 else 'b'}{(i * 7 + user) % 10},view,{i + 1}\n")
        with open(folder / "items.csv", "w", encoding="utf-8") as f:
            f.write("item_id,title,category\n")
            for shelf in "ab":
                for i in range(10):
                    f.write(f"{shelf}{i},Thing,{shelf}\n")
        run("import", "-d", folder / "shop", "--events", folder / "events.csv", "--items",
            folder / "items.csv")
        x = json.loads(run("interests", "-d", folder / "shop", "-u", "u3", "--json").stdout)
        same(x["timestamp"], None)
        same([first(i) for i in x["short_term"]], ["a", "b"])
        assert 0 < x["drift"] < 1, x
        text = run("interests", "-d", folder / "shop", "-u", "u3").stdout
        assert "as of" not in text and "19" not in text.splitlines()[0], text
        r = run("interests", "-d", folder / "shop", "-u", "nobody", expect=1)
        assert "there is no user nobody" in r.stderr, r.stderr
        assert "give --user" in run("interests", "-d", folder / "shop", expect=2).stderr


if __name__ == "__main__":
    main(globals())
