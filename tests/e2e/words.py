#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Words over HTTP: a search moves the very next list towards what was asked for, also within a
request alone; a review's stars and text count; a restart keeps it, an erasure forgets it."""
import json
import os
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, problem, same, view

KINDS = {"tea": ("Green Tea", "绿茶"), "shoe": ("Running Shoe", "跑步鞋"),
         "lamp": ("Desk Lamp", "台灯"), "book": ("Picture Book", "绘本")}
BRANDS = ("Northwind 北风", "Lumen 流明", "Haru 春日")
STYLES = ("Classic 经典", "Compact 小巧", "Travel 旅行", "Soft 柔软")


def fill(s):
    """12 items of each kind, and 24 shoppers who look at one kind each."""
    events, start = [], int(time.time()) - 500000
    for kind, (en, zh) in KINDS.items():
        for i in range(12):
            s.put_item(f"{kind}{i}", title=f"{BRANDS[i % 3]} {STYLES[i // 3]} {en} {zh}",
                       category=f"shop|shop/{kind}", brand=BRANDS[i % 3], price=10.0 + i)
    for u in range(24):
        kind = list(KINDS)[u % 4]
        for n in range(8):
            events.append(view(f"u{u}", f"{kind}{(u * 5 + n * (1 + u % 5)) % 12}",
                               timestamp=start + u * 1000 + n * 60))
    same(s.events(*events).status, 200)
    ready(s)


def ready(s):
    """What the items say is made out about a second after opening."""
    for _ in range(600):
        if share(ask(s, query="running shoe"), "shoe") == 1:
            return
        time.sleep(0.1)
    raise AssertionError("a search finds nothing")


def ask(s, user=None, **more):
    params = {"k": 8, **more}
    if user:
        params["user_id"] = user
    return s.get("/v1/recommend?" + urllib.parse.urlencode(params)).ids


def share(ids, kind):
    return sum(i.startswith(kind) for i in ids) / len(ids)


def search(user, query, **more):
    return {"user_id": user, "event": "search", "query": query, **more}


def test_a_search_moves_the_very_next_list():
    with Shop() as s:
        fill(s)
        for query, kind in (("running shoe", "shoe"), ("绿茶", "tea"), ("desk lamps", "lamp")):
            user = "new-" + kind
            same(s.events(view(user, "book1"), view(user, "book2")).status, 200)
            before, other = ask(s, user), ask(s, "u3")
            assert share(before, kind) < 0.5, (kind, before)
            same(s.events(search(user, query)).status, 200)
            after = ask(s, user)
            assert share(after, kind) > share(before, kind) + 0.4, (kind, before, after)
            same(ask(s, "u3"), other, "somebody else's list")
        # A later search says what is wanted now.
        same(s.events(search("new-tea", "desk lamp")).status, 200)
        assert share(ask(s, "new-tea"), "lamp") > 0.5
        # Rare words come first.
        same(ask(s, "new-tea", query="haru soft lamp")[0], "lamp11")
        # What is done after it, and time, let it fade.
        for i in range(25):
            same(s.events(view("new-shoe", f"book{i % 12}")).status, 200)
        assert share(ask(s, "new-shoe"), "book") > 0.5, ask(s, "new-shoe")
        long_ago = int(time.time()) - 86400
        same(s.events(view("late", "book1", timestamp=long_ago - 60),
                      search("late", "desk lamp", timestamp=long_ago)).status, 200)
        assert share(ask(s, "late"), "lamp") < 0.5, ask(s, "late")


def test_a_search_within_a_request_leaves_no_trace():
    with Shop() as s:
        fill(s)
        before = s.get("/v1/recommend?user_id=u3&k=8").json["items"]
        assert share(ask(s, "u3", query="desk lamp"), "lamp") > 0.7
        body = {"user_id": "u3", "k": 8, "query": "desk lamp"}
        same(s.ask("POST", "/v1/recommend", body).ids, ask(s, "u3", query="desk lamp"))
        session = {"k": 8, "events": [{"event": "view", "item_id": "book1"},
                                      {"event": "search", "query": "跑步鞋"}]}
        assert share(s.ask("POST", "/v1/recommend", session).ids, "shoe") > 0.7
        session["events"].reverse()
        shoes = share(s.ask("POST", "/v1/recommend", session).ids, "shoe")
        assert shoes > 0.5, "one event later it still counts"
        same(s.get("/v1/recommend?user_id=u3&k=8").json["items"], before)
        same(ask(s, "u3", query=""), [i["item_id"] for i in before])
        same(ask(s, "u3", query="zzqxj"), [i["item_id"] for i in before])
        assert share(ask(s, "u3", query="desk lamp", category="shop/tea"), "tea") == 1
        problem(s.get("/v1/recommend?query=" + "x" * 5000), 422, "query")
        problem(s.ask("POST", "/v1/recommend", {"query": 7}), 422, "query")


def test_what_was_searched_for_survives_a_restart_and_no_erasure():
    with Shop() as s:
        fill(s)
        same(s.events(view("ann", "book1"), search("ann", "running shoe", timestamp=int(time.time()))
                      ).status, 200)
        assert share(ask(s, "ann"), "shoe") > 0.5
        s.restart()
        ready(s)
        assert share(ask(s, "ann"), "shoe") > 0.5, "the search is in the log"
        same(s.ask("DELETE", "/v1/users/ann").status, 204)
        same(s.events(view("ann", "book1")).status, 200)
        assert share(ask(s, "ann"), "shoe") < 0.5, ask(s, "ann")
        s.stop()
        p = subprocess.run([PENCHANT, "recommend", "-d", s.dir, "--user", "u3", "-k", "3",
                            "--query", "desk lamp", "--json"], check=True, text=True,
                           stdout=subprocess.PIPE)
        listed = [i["item_id"] for i in json.loads(p.stdout)["items"]]
        same((len(listed), share(listed, "lamp")), (3, 1.0), "asked the moment it is open")


def review(user, item, value, text=None):
    return {"user_id": user, "event": "review", "item_id": item, "value": value, "text": text}


def test_stars_and_what_a_review_says_count():
    with Shop() as s:
        fill(s)
        assert "tea3" in ask(s, "u0", k=48)
        same(s.events(review("u0", "tea3", 1, "Northwind 北风: bitter"),
                      {"user_id": "u0", "event": "dislike", "item_id": "tea6"}).status, 200)
        for k in (8, 48):
            assert not {"tea3", "tea6"} & set(ask(s, "u0", k=k)), k
        assert {"tea3", "tea6"} <= set(ask(s, "u4", k=48)), "who has not said so"
        same(s.events({"user_id": "u0", "event": "cart", "item_id": "tea6"}).status, 200)
        assert "tea6" in ask(s, "u0", k=48), "taken back"
        # Towards the make that was praised, away from the one that was not.
        brand = dict(zip(("good", "bad"), (5, 1)))
        for user, value in brand.items():
            same(s.events(view(user, "tea1"), review(user, "tea0", value, "Northwind 北风")
                          ).status, 200)
        makes = {u: [int(i[3:]) % 3 for i in ask(s, u, sources="content", category="shop/tea")]
                 for u in brand}
        assert makes["good"][:3].count(0) > makes["bad"][:3].count(0), makes
        s.restart()
        assert "tea3" not in ask(s, "u0", k=48) and "tea6" in ask(s, "u0", k=48)
        s.stop()
        said = [e for e in s.exported_events() if e["event"] == "review"]
        same([(e["user_id"], float(e["value"]), e["text"]) for e in said],
             [("u0", 1.0, "Northwind 北风: bitter"), ("good", 5.0, "Northwind 北风"),
              ("bad", 1.0, "Northwind 北风")])


if __name__ == "__main__":
    main(globals())
