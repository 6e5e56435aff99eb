# SPDX-License-Identifier: Apache-2.0
"""penchant benchmark, run as a user would: three protocols on logs made here, what the JSON
holds, that validation is blind to the test, that a run repeats, that Ctrl-C reports, and what
is refused. With the research data beside the project also a short run on real ratings."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile

PENCHANT = os.environ["PENCHANT"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SMALL = ["--dim", "16", "--blocks", "1", "--heads", "1", "--max-length", "16", "--epochs", "3",
         "--batch-tokens", "512"]
METRICS = ["%s@%d" % (kind, at) for kind in ("hr", "ndcg", "mrr") for at in (5, 10, 20)]


def run(*args, status=0):
    done = subprocess.run([PENCHANT, "benchmark", *args], capture_output=True, text=True)
    assert done.returncode == status, (args, done.returncode, done.stderr)
    return done


def report(*args):
    out = run(*args, "--json").stdout
    assert out.count("\n") == 1 and out.endswith("\n"), "not one line: %r" % out
    return json.loads(out)


def write(folder, name, header, rows):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(header + "\n")
        f.writelines(",".join(map(str, row)) + "\n" for row in rows)
    return path


def shop(users=150, length=10, clock=False, last=None, strays=0.1):
    """Shoppers walk around one of two rings of 16 items, now and then elsewhere."""
    draw = random.Random(4)
    rows = []
    for user in range(users):
        ring, at = draw.choice("ab"), draw.randrange(16)
        for i in range(length):
            stray = draw.random() < strays
            item = "%s%d" % (ring, draw.randrange(16) if stray else (at + i) % 16)
            time = 1700000000 + 86400 * i + user if clock else i + 1
            rows.append(("u%d" % user, last if last and i == length - 1 else item, "view", time))
    return rows


def check_quality(quality):
    assert sorted(quality) == sorted(METRICS), sorted(quality)
    for name in METRICS:
        m = quality[name]
        assert 0 <= m["low"] <= m["value"] <= m["high"] <= 1, (name, m)
    for kind in ("hr", "ndcg", "mrr"):
        values = [quality["%s@%d" % (kind, at)]["value"] for at in (5, 10, 20)]
        assert values == sorted(values), (kind, values)
    assert quality["mrr@10"]["value"] <= quality["ndcg@10"]["value"] <= quality["hr@10"]["value"]


def check_over_best(r, judge):
    over = r["over_best_single"]
    alone = {**r["baselines"], "sequence": r["sequence"]}
    assert over["source"] == max(alone, key=lambda s: alone[s][judge]["value"]), over
    for name in ("ndcg@10", "mrr@20"):
        assert over[name]["low"] <= over[name]["value"] <= over[name]["high"], over
        gain = r["model"][name]["value"] - alone[over["source"]][name]["value"]
        assert abs(over[name]["value"] - gain) < 2e-6, (over, gain)


def without_clockwork(r):
    timed = ("train_seconds", "tokens_per_s", "peak_mb", "race")
    trials = [{k: v for k, v in trial.items() if k != "seconds"} for trial in r["race"]]
    return {**{k: v for k, v in r.items() if k not in timed}, "race": trials}


def check_leave_one_out(folder):
    log = write(folder, "log.csv", "user_id,item_id,event,timestamp", shop())
    items = write(folder, "items.csv", "item_id,title,category",
                  [("%s%d" % (ring, i), "", ring) for ring in "ab" for i in range(16)])
    args = ["--protocol", "leave-one-out", "--events", log, "--items", items, "--seed", "3", *SMALL]
    r = report(*args)
    for key in ("protocol", "cases", "model", "baselines", "train_seconds", "tokens_per_s",
                "peak_mb", "preset", "dim", "blocks", "loss", "negatives", "sources", "seed"):
        assert key in r, key
    assert (r["protocol"], r["report"], r["cases"], r["items"]) == \
        ("leave-one-out", "test", 150, 32), r
    assert (r["dim"], r["blocks"], r["seed"], r["sources"], r["epochs"]) == (16, 1, 3, "all", 3), r
    assert r["tokens_per_s"] > 0 and r["train_seconds"] > 0 and r["peak_mb"] > 1, r
    assert r["preset"] in ("sasrec", "hstu") and r["loss"] in ("full", "sampled", "gbce"), r
    for quality in (r["model"], r["sequence"], *r["baselines"].values()):
        check_quality(quality)
    assert {"covisitation", "neighbours", "popularity"} <= set(r["baselines"]), r["baselines"].keys()
    assert r["baselines"]["covisitation"]["ndcg@10"]["value"] > 0.6, r["baselines"]
    assert r["baselines"]["popularity"]["ndcg@10"]["value"] < 0.4, r["baselines"]
    assert r["model"]["ndcg@10"]["value"] > r["baselines"]["popularity"]["ndcg@10"]["value"]
    check_over_best(r, "ndcg@10")
    assert set(r["weights"]) == {"sequence", *r["baselines"]}, r["weights"]
    assert without_clockwork(report(*args)) == without_clockwork(r), "a run does not repeat"
    alone = report(*args, "--threads", "1")
    assert without_clockwork(report(*args, "--threads", "1")) == without_clockwork(alone)
    assert alone["baselines"] == r["baselines"] and alone["threads"] == 1, "counts have no threads"
    only = report(*args, "--sources", "sequence")
    assert only["model"] == only["sequence"] == r["sequence"], "the model depends on the sources"
    assert only["sources"] == "sequence" and "over_best_single" not in only, only
    table = run(*args, "--quiet")
    for word in ("NDCG@10", "covisitation", "all together", "150 cases"):
        assert word in table.stdout, table.stdout
    assert table.stderr == "", table.stderr
    return log


def check_model_learns(folder):
    """Each case must be answered with its own history: a ring leaves no doubt what is next."""
    log = write(folder, "ring.csv", "user_id,item_id,event,timestamp", shop(users=400, strays=0))
    r = report("--protocol", "leave-one-out", "--events", log, "--sources", "sequence", *SMALL,
               "--epochs", "20", "--learning-rate", "0.01", "--dropout", "0")
    assert r["sequence"]["hr@5"]["value"] > 0.95, r["sequence"]
    assert r["epochs"] <= 20 and r["best_epoch"] >= 1, r


def check_race(folder):
    """The report says what was tried: recipes, then one setting at a time, but none that the
    command line fixes."""
    log = write(folder, "race.csv", "user_id,item_id,event,timestamp", shop())
    args = ["--protocol", "leave-one-out", "--events", log, "--sources", "sequence", *SMALL,
            "--epochs", "12", "--weight-decay", "0.5"]
    r = report(*args)
    names = [trial["what"] for trial in r["race"]]
    assert names[:6] == ["gated", "gated .5", "hstu", "sasrec", "gated 64", "unchanged"], names
    changes = {trial["what"].rsplit(" ", 1)[0]: trial for trial in r["race"][6:]}
    assert "dropout" in changes and "weight decay" not in changes, names
    assert r["weight_decay"] == 0.5, r["weight_decay"]
    for trial in r["race"]:
        assert trial["epochs"] > 0 and trial["steps"] > 0 and trial["seconds"] > 0, trial
        assert (trial["gain"] is None) == (trial["what"] in names[:6]), trial
        if trial["gain"] is not None and trial["taken"]:
            assert trial["gain"] > trial["error"], trial
    assert sum(trial["taken"] for trial in r["race"][:5]) == 1, r["race"]
    assert (r["temperature"] is None) == (r["preset"] in ("sasrec", "hstu")), r
    table = run(*args, "--quiet").stdout
    assert "tried" in table and "\nunchanged" in table and "taken" in table, table
    assert report(*args, "--preset", "sasrec")["race"] == [], "one preset does not race"


def check_content(folder):
    """Shoppers keep to one kind of thing, which only its titles tell; all else is chance."""
    draw = random.Random(6)
    kinds = {"t": "Th&eacute; vert bio", "g": "\u7eff\u8336\u793c\u76d2"}
    rows, items = [], []
    for user in range(100):
        kind = draw.choice("tg")
        for i, item in enumerate(draw.sample(range(14), 6)):
            rows.append(("u%d" % user, "%s%d" % (kind, item), "view", i + 1))
    for kind, title in kinds.items():
        items += [("%s%d" % (kind, i), "%s %s%d" % (title, kind, i), "") for i in range(14)]
    log = write(folder, "kinds.csv", "user_id,item_id,event,timestamp", rows)
    args = ["--protocol", "leave-one-out", "--events", log, "--sources", "content"]
    titled = report(*args, "--items", write(folder, "titles.csv", "item_id,title,category", items))
    assert titled["model"]["hr@10"]["value"] == 1, titled["model"]
    assert titled["baselines"]["popularity"]["hr@10"]["value"] < 0.9, titled["baselines"]
    assert report(*args)["model"]["hr@10"]["value"] == 0, "nothing is known of the items"


def titled_kinds(folder):
    """Shoppers keep to one of six kinds of twelve things, which only their titles tell."""
    draw = random.Random(8)
    words = ("green tea leaves", "running shoes light", "oak table round", "guitar strings steel",
             "wool socks winter", "garden hose long")
    log = [("u%d" % user, "k%d-%d" % (user % 6, item), "view", i + 1)
           for user in range(240) for i, item in enumerate(draw.sample(range(12), 6))]
    items = [("k%d-%d" % (kind, i), "%s no%d" % (title, i))
             for kind, title in enumerate(words) for i in range(12)]
    return (write(folder, "six.csv", "user_id,item_id,event,timestamp", log),
            write(folder, "six_titles.csv", "item_id,title", items))


def check_cold_parts(r):
    cold, warm = r["cold"], r["warm"]
    assert cold["cases"] + warm["cases"] == r["cases"] and min(cold["cases"], warm["cases"]) > 20, r
    for part in (cold, warm):
        for quality in (part["model"], part["without_content"], *part["sources"].values()):
            check_quality(quality)
    for name in ("hr@10", "ndcg@10"):
        whole = sum(part["model"][name]["value"] * part["cases"] for part in (cold, warm))
        assert abs(whole / r["cases"] - r["model"][name]["value"]) < 1e-5, (name, r)
        over, without = warm["over_without_content"], warm["without_content"][name]["value"]
        gain = warm["model"][name]["value"] - without
        assert abs(over[name]["value"] - gain) < 2e-6, (name, over, gain)
        assert abs(over[name + "_loss"] + gain / without) < 1e-4, (name, over, gain)


def check_cold_items(folder):
    """Of six things of a kind that are left all can be in a list of ten, hidden ones too."""
    log, items = titled_kinds(folder)
    ask = ["--protocol", "cold-items", "--events", log, "--items", items]
    args = [*ask, "--cold-share", ".25", "--sources", "content,popularity"]
    r = report(*args)
    assert (r["protocol"], r["cases"], r["items"], r["cold_share"]) == \
        ("cold-items", 240, 72, 0.25), r
    assert 8 <= r["hidden_items"] <= 28, r["hidden_items"]
    check_cold_parts(r)
    cold = r["cold"]
    assert cold["sources"]["content"]["hr@10"]["value"] > 0.95, cold["sources"]
    assert cold["model"]["hr@10"]["value"] > 0.9, cold["model"]
    assert cold["sources"]["covisitation"]["hr@10"]["value"] == 0, cold["sources"]
    assert cold["without_content"]["hr@10"]["value"] == 0, cold["without_content"]
    assert without_clockwork(report(*args)) == without_clockwork(r), "a run does not repeat"
    assert report(*args, "--seed", "2")["hidden_items"] != r["hidden_items"], "whatever the seed"
    trained = report(*ask, *SMALL, "--sources", "sequence", "--content", "on", "--report", "validation")
    check_cold_parts(trained)
    assert trained["cold"]["model"]["hr@20"]["value"] > \
        trained["cold"]["without_content"]["hr@20"]["value"], trained["cold"]
    table = run(*args, "--quiet").stdout
    for word in ("%d of 72 items hidden" % r["hidden_items"], "cold: %d cases" % cold["cases"],
                 "warm, with content over without: NDCG@10"):
        assert word in table, table
    bare = ["--protocol", "cold-items", "--events", log]
    for more, status, word in (([], 2, "--items"), (["--items", folder + "/none"], 1, "none"),
                               (["--items", items, "--cold-share", "0"], 2, "cold-share"),
                               (["--items", items, "--cold-share", "1"], 2, "cold-share"),
                               (["--items", items, "--cold-share", "0.001"], 1, "hidden")):
        refused = run(*bare, *more, status=status)
        assert word in refused.stderr and refused.stdout == "", (more, refused.stderr)


def check_validation_is_blind(folder, log):
    other = write(folder, "other.csv", "user_id,item_id,event,timestamp", shop(last="surprise"))
    args = ["--protocol", "leave-one-out", "--report", "validation", *SMALL]
    a, b = report(*args, "--events", log), report(*args, "--events", other)
    assert a["report"] == "validation" and a["cases"] == 150, a
    assert without_clockwork(a) == without_clockwork(b), "validation depends on the last events"
    test = report("--protocol", "leave-one-out", "--events", other, *SMALL)
    assert test["model"]["hr@10"] != a["model"]["hr@10"], "the test does not"


def check_sessions(folder):
    walks = {}
    for user, item, _, time in shop(users=400, length=6):
        walks.setdefault(user, []).append((user, item, time))
    walks = list(walks.values())
    header = "session_id,item_id,timestamp"
    train = write(folder, "train.csv", header, [row for walk in walks[:300] for row in walk])
    test = write(folder, "test.csv", header,
                 [row for walk in walks[300:] for row in walk] +
                 [("x", "a1", 1), ("x", "new", 2), ("x", "a2", 3)])
    args = ["--protocol", "sessions", "--train", train, "--test", test, *SMALL]
    r = report(*args)
    assert (r["protocol"], r["cases"], r["unknown_targets"]) == ("sessions", 502, 1), r
    check_quality(r["model"])
    check_over_best(r, "mrr@20")
    assert r["baselines"]["covisitation"]["mrr@20"]["value"] > 0.6, r["baselines"]
    assert report(*args, "--min-prefix", "3")["cases"] == 300
    blind = ["--protocol", "sessions", "--train", train, "--report", "validation", *SMALL]
    validation = report(*blind)
    assert validation["cases"] == 150, validation
    assert without_clockwork(report(*blind, "--test", test)) == without_clockwork(validation)


def check_temporal(folder, positions):
    log = write(folder, "clock.csv", "user_id,item_id,event,timestamp", shop(clock=True))
    r = report("--protocol", "temporal", "--events", log, "--test-share", "0.2", *SMALL)
    assert (r["protocol"], r["cases"]) == ("temporal", 300), r
    check_over_best(r, "ndcg@10")
    assert r["baselines"]["covisitation"]["ndcg@10"]["value"] > 0.6, r["baselines"]
    refused = run("--protocol", "temporal", "--events", positions, status=1)
    assert "clock" in refused.stderr and refused.stdout == "", refused.stderr


def check_prequential(folder, positions):
    rows = shop(users=120, length=12, clock=True)
    turn = sorted(r[3] for r in rows)[len(rows) * 7 // 10]
    rows = [(u, "new-" + i if t > turn else i, e, t) for u, i, e, t in rows]
    log = write(folder, "turn.csv", "user_id,item_id,event,timestamp", rows)
    ask = ["--protocol", "prequential", "--events", log, "--sources", "covisitation,popularity"]
    r = report(*ask)
    assert r["events"] == r["cases"] == len(rows) // 2, r
    assert r["unknown_targets"] > 0, r
    for shop_name in ("live", "frozen counts", "frozen state"):
        check_quality(r[shop_name])
    for other in ("frozen_counts", "frozen_state"):
        gain = r["live_over_" + other]
        assert gain["ndcg@10"]["low"] > 0, gain
        base = r[other.replace("_", " ")]["ndcg@10"]["value"]
        assert abs(gain["ndcg@10_relative"] - gain["ndcg@10"]["value"] / base) < 1e-4, gain
    assert len(r["ndcg@10_by_part"]) == 10
    assert without_clockwork(r) == without_clockwork(report(*ask))
    text = run(*ask).stdout
    assert "live over frozen counts: NDCG@10 +" in text and text.count("#") > 30, text
    run("--protocol", "prequential", "--events", positions, status=1)
    done = run(*ask, "--report", "validation", status=2)
    assert "before it" in done.stderr, done.stderr


def check_refusals(folder, log):
    for args, status, word in (
            ([], 2, "--protocol"),
            (["--protocol", "random"], 2, "random"),
            (["--protocol", "sessions", "--events", log], 2, "--train"),
            (["--protocol", "leave-one-out"], 2, "--events"),
            (["--protocol", "leave-one-out", "--events", log, "--sources", "magic"], 2, "magic"),
            (["--protocol", "leave-one-out", "--events", log, "--report", "all"], 2, "all"),
            (["--protocol", "leave-one-out", "--events", log, "--epoch", "1"], 2, "--epochs"),
            (["--protocol", "temporal", "--events", log, "--test-share", "2"], 2, "test-share"),
            (["--protocol", "leave-one-out", "--events", log, "--preset", "magic"], 1, "magic"),
            (["--protocol", "leave-one-out", "--events", folder + "/none"], 1, "none")):
        done = run(*args, status=status)
        assert word in done.stderr and done.stdout == "", (args, done.stderr)
    assert "--min-prefix" in run("--protocol", "sessions", "--help").stdout


def interrupted(*args, training=1):
    """What is reported when Ctrl-C comes at the beginning of that training of the run."""
    child = subprocess.Popen([PENCHANT, "benchmark", *args, "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    evaluated = 0
    for line in child.stderr:
        evaluated += line.startswith("evaluate: 100%")
        if line.startswith("train") and evaluated == training - 1:
            child.send_signal(signal.SIGINT)
            break
    out = child.stdout.read()
    err = child.stderr.read()
    assert child.wait() == 0, (child.returncode, err)
    return json.loads(out)


def check_interrupt(folder):
    log = write(folder, "long.csv", "user_id,item_id,event,timestamp", shop(users=2000, length=40))
    slow = ["--events", log, "--blocks", "4", "--dropout", "0.5", "--learning-rate", "0.00001"]
    r = interrupted("--protocol", "leave-one-out", *slow)
    assert r["stopped"] is True and r["cases"] == 2000, r
    check_quality(r["model"])
    items = write(folder, "long_titles.csv", "item_id,title",
                  [("%s%d" % (ring, i), "ring %s" % ring) for ring in "ab" for i in range(16)])
    cold = ["--protocol", "cold-items", *slow, "--items", items, "--preset", "sasrec",
            "--report", "validation"]
    r = interrupted(*cold)
    assert r["stopped"] is True, "the first training was stopped"
    check_cold_parts(r)
    r = interrupted(*cold, "--epochs", "1", training=2)
    assert r["stopped"] is False and r["epochs"] == 1, "the second training was stopped"
    check_cold_parts(r)


def check_ratings():
    data = os.environ.get("PENCHANT_DATA", os.path.join(ROOT, "..", "shared", "data"))
    log = os.path.join(data, "ml-100k", "events.csv")
    if not os.path.exists(log):
        print("SKIP ml-100k: no %s" % log)
        return
    r = report("--protocol", "leave-one-out", "--events", log, "--epochs", "1", "--dim", "32",
               "--blocks", "1", "--heads", "1", "--max-length", "50")
    assert (r["cases"], r["items"]) == (943, 1682), r
    assert r["baselines"]["covisitation"]["ndcg@10"]["value"] > 0.08, r["baselines"]
    assert r["model"]["ndcg@10"]["value"] > r["baselines"]["popularity"]["ndcg@10"]["value"], r
    assert report("--protocol", "temporal", "--events", log,
                  "--sources", "covisitation,popularity")["cases"] > 100


def main():
    with tempfile.TemporaryDirectory() as folder:
        log = check_leave_one_out(folder)
        check_model_learns(folder)
        check_race(folder)
        check_content(folder)
        check_cold_items(folder)
        check_validation_is_blind(folder, log)
        check_sessions(folder)
        check_prequential(folder, log)
        check_temporal(folder, log)
        check_refusals(folder, log)
        check_interrupt(folder)
    check_ratings()
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
