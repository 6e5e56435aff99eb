# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load. Clients post events with event_ids and retry, after
the restart, what was not acknowledged. Every acknowledged event must be there, every event
once, and another kill and restart must give the same lists. LONG=1: 100 rounds, else 3."""
import collections
import http.client
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import Shop, fill, same

ROUNDS = 100 if os.environ.get("LONG") == "1" else 3
CLIENTS = 6


class Poster:
    """Posts numbered events of one user, 1 to 5 at a time; `quantity` carries the number."""

    def __init__(self, name, seed):
        self.name, self.random = name, random.Random(seed)
        self.sent = 0          # numbers that were given out
        self.acknowledged = 0  # numbers up to here were acknowledged
        self.pending = []      # sent, and neither acknowledged nor refused
        self.last = []         # the last ones that were acknowledged
        self.errors = []

    def event(self, n):
        return {"user_id": self.name, "item_id": f"load{n % 50}", "event": "view",
                "quantity": n, "event_id": f"{self.name}/{n}"}

    def post(self, client):
        fresh = not self.pending
        if fresh:
            count = self.random.randint(1, 5)
            self.pending = [self.event(self.sent + 1 + i) for i in range(count)]
            self.sent += count
        a = client.ask("POST", "/v1/events", self.pending)
        same(a.status, 200, a.body)
        got = (a.json["accepted"], a.json["duplicates"])
        n = len(self.pending)
        # all or none of them had been committed before the kill
        assert got == (n, 0) or (not fresh and got == (0, n)), (got, n, fresh)
        self.acknowledged += n
        self.last, self.pending = self.pending, []

    def repeat(self, client):
        """As a client does that missed the answer: nothing of it is taken again."""
        if self.last:
            a = client.ask("POST", "/v1/events", self.last)
            same((a.status, a.json), (200, {"accepted": 0, "duplicates": len(self.last)}))

    def run(self, shop, stop):
        client = shop.client()
        try:
            self.repeat(client)
            while not stop.is_set():
                self.post(client)
        except (http.client.HTTPException, OSError):
            pass  # killed: what is pending is tried again
        except Exception as e:
            self.errors.append(e)
        client.close()


def all_lists(shop, posters):
    paths = [f"/v1/recommend?user_id={p.name}&k=20" for p in posters] + ["/v1/popular?k=20"]
    paths += [f"/v1/recommend?user_id=u{u}&k=10&category=c{u % 2}" for u in range(10)]
    paths += [f"/v1/items/i{i}/similar?k=5" for i in range(4)]
    return {p: shop.get(p).ids for p in paths}


def one_round(shop, posters, moment):
    stop = threading.Event()
    threads = [threading.Thread(target=p.run, args=(shop, stop)) for p in posters]
    for t in threads:
        t.start()
    time.sleep(moment)
    shop.kill()
    stop.set()
    for t in threads:
        t.join()
    errors = [e for p in posters for e in p.errors]
    same(errors, [], "errors while posting")
    shop.start()
    for p in posters:
        if p.acknowledged:
            got = shop.get(f"/v1/users/{p.name}").json["events"]
            assert p.acknowledged <= got <= p.sent, (p.name, p.acknowledged, got, p.sent)


def stored(shop):
    """How often each (user, number) is in the log, by the program's own export."""
    count = collections.Counter()
    for row in shop.exported_events():
        if row["user_id"].startswith("poster"):
            count[row["user_id"], int(float(row["quantity"]))] += 1
    return count


def main():
    seed = int(os.environ.get("SEED") or random.randrange(1 << 30))
    print(f"seed={seed}", flush=True)
    rnd = random.Random(seed)
    posters = [Poster(f"poster{i}", rnd.randrange(1 << 30)) for i in range(CLIENTS)]
    shop = Shop()
    with shop:
        fill(shop)
        for _ in range(ROUNDS):
            one_round(shop, posters, rnd.uniform(0.05, 1.0))
            lists = all_lists(shop, posters)
            shop.kill()
            shop.start()
            same(all_lists(shop, posters), lists, "all lists, replayed once more")
        client = shop.client()
        for p in posters:
            if p.pending:
                p.post(client)
        client.close()
        same(shop.stop(), 0, "exit status")
        count = stored(shop)
    acknowledged = [(p.name, n) for p in posters for n in range(1, p.acknowledged + 1)]
    lost = [e for e in acknowledged if not count[e]]
    doubled = [e for e, n in count.items() if n > 1]
    print(f"rounds={ROUNDS} acknowledged={len(acknowledged)} lost={len(lost)} "
          f"doubled={len(doubled)}", flush=True)
    same((lost[:5], doubled[:5]), ([], []), "lost and doubled")
    same(sum(count.values()), len(acknowledged), "events in the log")
    assert len(acknowledged) > 10 * ROUNDS, "too little load to mean anything"


if __name__ == "__main__":
    main()
