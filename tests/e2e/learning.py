# SPDX-License-Identifier: Apache-2.0
"""A shop whose model learns on while it serves: shoppers begin to behave otherwise and the
network follows; off, nothing of it happens; a new training takes over; kill -9 costs nothing
but what had been learned since the training."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, same

GROUPS, CIRCLE = 4, 10
START = int(time.time()) - 1000000


def walk(user, group, at, by, n, start):
    return [{"user_id": user, "item_id": f"i{group * CIRCLE + (at + i * by) % CIRCLE}",
             "event": "view", "timestamp": start + i * 60} for i in range(n)]


def train(s):
    subprocess.run([PENCHANT, "train", "-d", s.dir, "--preset", "gated", "--dim", "16",
                    "--blocks", "1", "--epochs", "6", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)


def fill(s):
    events = []
    for u in range(120):
        events += walk(f"u{u}", u % GROUPS, u * 3 % CIRCLE, 1, 8, START + u * 1000)
    same(s.events(*events).status, 200)
    train(s)


def metrics(s):
    answer = s.get("/metrics")
    same(answer.status, 200)
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in answer.body.decode().splitlines()
             if line and line[0] != "#")}


def sequence_list(s, user="u0"):
    """What the network alone says of a user who does nothing meanwhile, with its scores."""
    answer = s.get(f"/v1/recommend?user_id={user}&k=40&sources=sequence")
    same(answer.status, 200)
    return [(i["item_id"], i["score"]) for i in answer.json["items"]]


def wait_until(what, holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.1)


class Visitors:
    """New shoppers, who walk by three."""

    def __init__(self):
        self.n = 0

    def come(self, s, how_many=20):
        events = []
        for _ in range(how_many):
            self.n += 1
            events += walk(f"v{self.n}", self.n % GROUPS, self.n * 7 % CIRCLE, 3, 6,
                           START + 500000 + self.n * 10)
        same(s.events(*events).status, 200)


def test_the_network_follows_what_shoppers_do():
    with Shop() as s:
        fill(s)
        s.args = ["--learn", "on"]
        s.restart()
        visitors = Visitors()
        wait_until("a model to learn", lambda: metrics(s)["penchant_model_version"] >= 1)
        before, version = sequence_list(s), metrics(s)["penchant_model_version"]
        same(sequence_list(s)[0][0], before[0][0], "nothing has happened yet")
        visitors.come(s)
        wait_until("a publication",
                   lambda: metrics(s)["penchant_learning_publications_total"] > 0)
        after, m = sequence_list(s), metrics(s)
        assert [x[1] for x in after] != [x[1] for x in before], "no score has changed"
        assert m["penchant_model_version"] > version
        assert m["penchant_learning_events_total"] > 0
        assert m["penchant_event_to_network_seconds_count"] > 0
        same(m["penchant_event_to_list_seconds_count"], 120 * 1.0, "since the restart")

        def learned():
            visitors.come(s)
            now = metrics(s)
            return (now["penchant_learning_events_total"] > 1500 and
                    now["penchant_learning_loss"] <
                    0.97 * now["penchant_learning_champion_loss"])
        wait_until("the new walk to be learned", learned)
        same(metrics(s)["penchant_learning_dropped_total"], 0.0)
        # The state that was encoded under an earlier publication still serves.
        same(len(sequence_list(s)), len(before))


def test_nothing_is_learned_unless_it_is_wanted():
    with Shop() as s:
        fill(s)
        s.restart()
        before = sequence_list(s, "u5")
        Visitors().come(s)
        time.sleep(1.5)
        m = metrics(s)
        assert not [name for name in m if "learning" in name or "to_network" in name], m
        same([x[0] for x in sequence_list(s, "u5")], [x[0] for x in before])
        same(m["penchant_model_version"], 1.0)


def test_a_new_training_takes_over_and_is_learned_on():
    with Shop() as s:
        fill(s)
        s.args = ["--learn", "on"]
        s.restart()
        visitors = Visitors()
        visitors.come(s)
        wait_until("a publication",
                   lambda: metrics(s)["penchant_learning_publications_total"] > 0)
        version = metrics(s)["penchant_model_version"]
        train(s)

        def taken_over():
            now = metrics(s)
            # The averages begin anew with the model.
            return (now["penchant_model_version"] > version and
                    now["penchant_learning_loss"] != now["penchant_learning_loss"])
        wait_until("the new model", taken_over)
        before = metrics(s)
        visitors.come(s)
        wait_until("a publication of the new model",
                   lambda: metrics(s)["penchant_learning_publications_total"] >
                   before["penchant_learning_publications_total"])
        assert metrics(s)["penchant_learning_events_total"] > \
            before["penchant_learning_events_total"]


def test_kill_9_leaves_the_trained_model_and_all_events():
    with Shop() as s:
        fill(s)
        s.restart()
        trained = sequence_list(s, "u7")
        s.args = ["--learn", "on"]
        s.restart()
        visitors = Visitors()
        visitors.come(s)
        wait_until("a publication",
                   lambda: metrics(s)["penchant_learning_publications_total"] > 0)
        visitors.come(s)
        s.kill()
        files = sorted(os.listdir(os.path.join(s.dir, "model")))
        s.args = []
        s.start()
        same(sorted(os.listdir(os.path.join(s.dir, "model"))), files)
        same(metrics(s)["penchant_events"], 120 * 8 + 40 * 6.0, "acknowledged events")
        same([x[0] for x in sequence_list(s, "u7")], [x[0] for x in trained])


def test_the_option_takes_on_and_off():
    done = subprocess.run([PENCHANT, "serve", "--learn", "maybe"], text=True,
                          capture_output=True)
    same(done.returncode, 2)
    assert "--learn is on or off" in done.stderr, done.stderr
    same(done.stdout, "")


if __name__ == "__main__":
    main(globals())
