# SPDX-License-Identifier: Apache-2.0
"""New items and new users over HTTP: an item that was put is in the very next lists of those
whom it suits and not of the others, goes where its text goes, is understood when somebody views
it, and stays so over a restart; somebody unknown gets what is popular and is known after one
event. Without a model, items are alike by what they say."""
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, same, view

TOPICS = {
    "tea": "green black herbal leaf infusion cup brew pot",
    "bike": "bicycle wheel saddle chain pedal helmet tyre brake",
    "lamp": "light bulb shade desk bedside glow switch cable",
    "drum": "snare cymbal stick percussion beat kit bass stand",
}
EACH = 40


def title(topic, n):
    words = TOPICS[topic].split()
    rng = random.Random(f"{topic}{n}")
    return f"{topic} {' '.join(rng.sample(words, 3))}"


def fill(s, users=800):
    """Shoppers who each like one topic, and any of its items."""
    for topic in TOPICS:
        for n in range(EACH):
            same(s.put_item(f"{topic}{n}", title=title(topic, n)).status, 201)
    rng = random.Random(3)
    for u in range(users):
        topic = list(TOPICS)[u % len(TOPICS)]
        same(s.events(*[view(f"u{u}", f"{topic}{n}") for n in rng.sample(range(EACH), 8)]).status,
             200)


def train(s, *more):
    before = version(s)
    subprocess.run([PENCHANT, "train", "-d", s.dir, "--preset", "sasrec", "--content", "on",
                    "--dim", "32", "--blocks", "1", "--max-length", "20", "--epochs", "20",
                    "--quiet", *more], check=True, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while version(s) == before:
        assert time.monotonic() < until, "the server did not pick the model up"
        time.sleep(0.05)


def version(s):
    return int(re.search(r"^penchant_model_version (\d+)$",
                         s.get("/metrics").body.decode(), re.M)[1])


def ids(s, user, k=24, sources="sequence"):
    return s.get(f"/v1/recommend?user_id={user}&k={k}&sources={sources}").ids


def place(s, user, item, sources="sequence"):
    """Where the item stands in the list of everything."""
    return ids(s, user, k=400, sources=sources).index(item)


def suits(s, item, those, others):
    """It stands before most items with those whom it suits, and further down with others."""
    for sources in ("sequence", "all"):
        best = max(place(s, u, item, sources) for u in those)
        assert best < 2 * EACH, (sources, those, best)
        worst = min(place(s, u, item, sources) for u in others)
        assert worst > best, (sources, those, best, others, worst)


def share(items, topic):
    """How many of them are of the topic."""
    return sum(i.startswith(topic) for i in items) / len(items)


def test_new_items_are_in_the_next_list_on_merit():
    with Shop() as s:
        fill(s)
        train(s)
        same(s.put_item("new", title="tea green leaf infusion").status, 201)
        suits(s, "new", ("u0", "u4"), ("u1", "u2", "u3"))

        # somebody who has seen nothing but the new item is understood by it
        same(s.events(view("fan", "new")).status, 200)
        assert share(ids(s, "fan", k=12), "tea") > 0.8, ids(s, "fan", k=12)
        similar = s.get("/v1/items/new/similar?k=10").ids
        assert share(similar, "tea") > 0.8, similar

        # what the item says now is what counts, for the lists and for who viewed it
        same(s.put_item("new", title="bicycle wheel chain brake bike").status, 200)
        suits(s, "new", ("u1", "u5"), ("u0", "u2", "u3"))
        assert share(ids(s, "fan", k=12), "bike") > 0.8, ids(s, "fan", k=12)

        # an item that says nothing has no place by its content
        same(s.put_item("mute").status, 201)
        assert place(s, "u0", "mute") >= EACH

        paths = [f"/v1/recommend?user_id={u}&k=24&sources={x}"
                 for u in ("u0", "u1", "fan", "nobody") for x in ("sequence", "all")]
        paths.append("/v1/items/new/similar?k=10")
        before = {p: s.get(p).ids for p in paths}
        s.restart()
        same({p: s.get(p).ids for p in paths}, before, "after SIGTERM")
        s.kill()
        s.start()
        same({p: s.get(p).ids for p in paths}, before, "after kill -9")

        # a run that goes on takes the new items in, and the space stays what it was
        train(s, "--resume")
        same(s.put_item("newer", title="lamp desk bulb glow").status, 201)
        suits(s, "newer", ("u2", "u6"), ("u0", "u1", "u3"))


def test_a_new_user_is_known_after_one_event():
    with Shop() as s:
        fill(s)
        train(s)
        same(s.events(*[view(f"x{i}", "drum3") for i in range(60)]).status, 200)
        popular = s.get("/v1/popular?k=1").ids
        same(popular, ["drum3"])
        assert "drum3" in ids(s, "nobody", k=3, sources="all")
        same(s.events(view("somebody", "lamp4")).status, 200)
        assert share(ids(s, "somebody", k=10, sources="all"), "lamp") > 0.6
        # the same within a request, for somebody who is never named
        body = {"k": 10, "events": [{"event": "view", "item_id": "tea2"}]}
        answer = s.ask("POST", "/v1/recommend", body)
        same(answer.status, 200, answer.body)
        assert share(answer.ids, "tea") > 0.6, answer.ids


def test_without_a_model_items_are_alike_by_what_they_say():
    with Shop() as s:
        for topic in TOPICS:
            for n in range(EACH):
                same(s.put_item(f"{topic}{n}", title=title(topic, n)).status, 201)
        until = time.monotonic() + 120
        while share(s.get("/v1/items/lamp3/similar?k=8").ids, "lamp") < 0.9:
            assert time.monotonic() < until, "the content space did not come"
            time.sleep(0.1)
        same(s.put_item("late", title="snare cymbal stick drum").status, 201)
        assert share(s.get("/v1/items/late/similar?k=8").ids, "drum") > 0.9
        same(s.events(view("ann", "late")).status, 200)
        items = ids(s, "ann", k=8, sources="content")
        assert share([i for i in items if i != "late"], "drum") > 0.8, items


if __name__ == "__main__":
    main(globals())
