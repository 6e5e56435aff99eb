# SPDX-License-Identifier: Apache-2.0
"""A model trained beside a running server is picked up by it; with it too an event changes
the next list, a missing item is in none, and the lists are the same after SIGTERM and kill -9."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, same, view


def model_version(s):
    return int(re.search(r"^penchant_model_version (\d+)$",
                         s.get("/metrics").body.decode(), re.M)[1])


def train(s, seed):
    """Trains a small model in another process and waits until the server has it."""
    before = model_version(s)
    subprocess.run([PENCHANT, "train", "-d", s.dir, "--preset", "sasrec", "--dim", "16",
                    "--blocks", "1", "--max-length", "20", "--epochs", "8", "--seed",
                    str(seed), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while model_version(s) == before:
        assert time.monotonic() < until, "the server did not pick the model up"
        time.sleep(0.05)


def sequence(s, user, k=10):
    return s.get(f"/v1/recommend?user_id={user}&k={k}&sources=sequence").json["items"]


def lists(s):
    paths = [f"/v1/recommend?user_id=u{u}&k=20" for u in range(20)]
    paths += [f"/v1/recommend?user_id=u{u}&k=20&sources=sequence" for u in range(10)]
    paths += [f"/v1/items/i{i}/similar?k=10" for i in range(5)] + ["/v1/popular?k=20"]
    return {p: s.get(p).ids for p in paths}


def test_a_trained_shop():
    with Shop() as s:
        fill(s, items=60, users=200, per_user=12)
        same(model_version(s), 0)
        train(s, 1)
        first = sequence(s, "u1")
        same(len(first), 10)

        # an event changes what the model says next
        same(s.events(view("u1", "i40")).status, 200)
        second = sequence(s, "u1")
        assert second != first, "the model's list did not change"
        same(s.events(view("u1", "i41"), view("u1", "i43")).status, 200)
        assert sequence(s, "u1") not in (first, second)

        # a newcomer is known to it after one event, and so is a new item to the lists
        same(s.events(view("newcomer", "i7")).status, 200)
        same(len(s.get("/v1/recommend?user_id=newcomer&k=10").ids), 10)
        same(s.put_item("brand_new", title="Item new", category="c1").status, 201)
        assert "brand_new" in s.get("/v1/recommend?user_id=u1&k=1000").ids

        gone = s.get("/v1/recommend?user_id=u1&k=1").ids[0]
        same(s.put_item(gone, available=False).status, 200)
        for path in ("/v1/recommend?user_id=u1&k=1000", "/v1/popular?k=1000",
                     "/v1/recommend?user_id=u1&k=1000&sources=sequence"):
            assert gone not in s.get(path).ids, path

        before = lists(s)
        s.restart()
        assert model_version(s) > 0, "the model is there at the start"
        same(lists(s), before, "after SIGTERM")
        s.kill()
        s.start()
        same(lists(s), before, "after kill -9")

        first = sequence(s, "u2")
        train(s, 2)
        assert sequence(s, "u2") != first, "another model"
        same(s.events(view("u1", "i3")).status, 200)
        same(len(s.get("/v1/recommend?user_id=u1").ids), 10)


def test_serving_goes_on_while_models_change():
    with Shop() as s:
        events = fill(s, items=30, users=60, per_user=8)
        process = None
        for seed in range(3):
            process = subprocess.Popen(
                [PENCHANT, "train", "-d", s.dir, "--preset", "sasrec", "--dim", "16",
                 "--blocks", "1", "--max-length", "20", "--epochs", "3", "--seed", str(seed),
                 "--quiet"], stdout=subprocess.DEVNULL)
            rounds = 0
            while process.poll() is None or rounds < 50:
                user = f"u{rounds % 60}"
                same(s.events(view(user, f"i{rounds % 30}")).status, 200)
                same(len(s.get(f"/v1/recommend?user_id={user}&k=10").ids), 10)
                rounds += 1
                events.append(user)
            same(process.returncode, 0, "training")
        until = time.monotonic() + 120
        while model_version(s) == 0:
            assert time.monotonic() < until, "the server did not pick the model up"
            time.sleep(0.05)
        same(int(re.search(r"^penchant_events (\d+)$", s.get("/metrics").body.decode(),
                           re.M)[1]), len(events))


if __name__ == "__main__":
    main(globals())
