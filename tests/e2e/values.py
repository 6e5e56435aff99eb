#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values from the program and over HTTP: learned beside a model that stays the same bit for bit,
judged, shown by explain, and left out where there is nothing to learn."""
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, main, same

NAMES = ["purchase", "engagement", "staying"]


def run(*args, expect=0):
    r = subprocess.run([PENCHANT, *map(str, args)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, check=False)
    same(r.returncode, expect, (args, r.stdout, r.stderr))
    return r


def write_log(path, types=True):
    """Users who buy half of what they look at and stay long, and users who look and leave."""
    rng = random.Random(5)
    end = int(time.time()) - 3600
    with open(path, "w", encoding="utf-8") as f:
        f.write("user_id,item_id,event,timestamp,value\n")
        for user in range(260):
            buys = user % 2
            at = end - 86400 * 60 + user * 100
            for _ in range(4 if buys else 6):
                at += rng.randrange(5, 9) * 86400
                for step in range(rng.randrange(6, 12) if buys else rng.randrange(2, 4)):
                    item = rng.randrange(30)
                    bought = types and buys and step % 2
                    f.write(f"u{user},i{item},{'purchase' if bought else 'view'},"
                            f"{at + 60 * step},{10 + item if bought else ''}\n")
                if types and not buys and rng.random() < .5:
                    f.write(f"u{user},i{rng.randrange(30)},dislike,{at + 600},\n")


def train(folder, *more):
    r = run("train", "-d", folder, "--preset", "sasrec", "--dim", 16, "--blocks", 1, "--max-length",
            20, "--epochs", 2, "--seed", 4, "--json", "--quiet", *more)
    return json.loads(r.stdout)


def tensors(folder):
    """The tensors of the model's file, by name."""
    raw = (pathlib.Path(folder) / "model" / "model.safetensors").read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    del header["__metadata__"]
    return {name: raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
            for name, t in header.items()}


def open_shop(s, types=True):
    same(s.stop(), 0)
    log = pathlib.Path(s.dir) / "log.csv"
    write_log(log, types)
    run("import", "-d", s.dir, "--events", log)


def values_of(s, user):
    items = s.get(f"/v1/recommend?user_id={user}&k=20&explain=true").json["items"]
    assert len(items) == 20, items
    for item in items:
        same(list(item["value"]), NAMES, item)
    return items


def mean(items, name):
    return sum(item["value"][name] for item in items) / len(items)


def test_values_beside_the_model():
    with Shop() as s:
        open_shop(s)
        without = train(s.dir, "--values", "off")
        plain = tensors(s.dir)
        assert not [name for name in plain if name.startswith("critic.")]
        assert all(without["values"][name]["reason"] for name in NAMES)
        same(without["value_seconds"], 0)
        s.start()
        items = s.get("/v1/recommend?user_id=u1&k=20&explain=true").json["items"]
        assert all("value" not in item for item in items), items
        same(s.stop(), 0)

        told = train(s.dir)
        kept = tensors(s.dir)
        for name, data in plain.items():
            assert kept[name] == data, f"values have changed {name}"
        same(told["validation_ndcg@10"], without["validation_ndcg@10"])
        same(sorted(name for name in kept if name.startswith("critic.")),
             sorted(["critic.facts"] + [f"critic.{name}.{part}" for name in NAMES
                                        for part in ("affine", "heads")]))
        for name in NAMES:
            v = told["values"][name]
            same(v["reason"], None)
            assert v["users"] > 20 and v["n"] > v["users"], v
            assert v["spearman"] > .3 and v["rmse"] < v["mean_rmse"], (name, v)
        same([told["values"][name]["discount"] for name in NAMES], [.95, .7, .99])
        report = json.loads(run("evaluate", "-d", s.dir, "--json").stdout)
        same(report["values"], told["values"])
        text = run("evaluate", "-d", s.dir).stdout
        assert "\npurchase " in text and "own recent rate" in text, text
        same(tensors_again(s.dir), kept)

        s.start()
        plain_list = s.get("/v1/recommend?user_id=u1&k=20").json["items"]
        buyer, looker = values_of(s, "u1"), values_of(s, "u2")
        same([i["item_id"] for i in buyer], [i["item_id"] for i in plain_list])
        for name, by in (("purchase", 2), ("staying", 1)):
            assert mean(buyer, name) > mean(looker, name) + by, (name, buyer[0], looker[0])
        visitor = s.get("/v1/recommend?explain=true").json["items"]
        assert all("value" not in item for item in visitor), visitor
        asked = s.ask("POST", "/v1/recommend", {
            "explain": True, "events": [{"item_id": "i3", "event": "purchase"}]})
        assert all("value" in item for item in asked.json["items"]), asked.body
        before = values_of(s, "u1")
        s.restart()
        same([i["value"].keys() for i in values_of(s, "u1")], [i["value"].keys() for i in before])


def tensors_again(folder):
    """Trained once more, the same seed: the same bits."""
    train(folder)
    return tensors(folder)


def test_what_cannot_be_learned_is_said():
    with Shop() as s:
        open_shop(s, types=False)
        told = train(s.dir)
        assert all("no values have been trained" in told["values"][name]["reason"]
                   for name in NAMES), told
        told = train(s.dir, "--values", "on")
        assert "earns nothing" in told["values"]["purchase"]["reason"], told
        same(told["values"]["staying"]["reason"], None)
        text = run("evaluate", "-d", s.dir).stdout
        assert "purchase     not given: the log earns nothing" in text, text
        r = run("train", "-d", s.dir, "--values", "perhaps", "--quiet", expect=1)
        assert 'values is "perhaps"' in r.stderr, r.stderr
        s.start()
        items = s.get("/v1/recommend?user_id=u1&explain=true").json["items"]
        assert all(list(item["value"]) == ["engagement", "staying"] for item in items), items
        same(s.stop(), 0)
        conf = pathlib.Path(s.dir) / "penchant.conf"
        conf.write_text("[rewards]\nview = 0.2 purchase\n", encoding="utf-8")
        told = train(s.dir, "--values", "on")["values"]
        same((told["purchase"]["reason"], told["staying"]["reason"]), (None, None))
        assert "earns nothing" in told["engagement"]["reason"], told
        conf.write_text("[rewards]\n\nview = much\n", encoding="utf-8")
        r = run("train", "-d", s.dir, "--quiet", expect=1)
        assert "penchant.conf" in r.stderr and "3" in r.stderr and "view" in r.stderr, r.stderr
        conf.unlink()
        s.start()


if __name__ == "__main__":
    main(globals())
