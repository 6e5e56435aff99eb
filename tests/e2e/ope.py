# SPDX-License-Identifier: Apache-2.0
"""penchant ope, run as a user would: what the JSON and the table hold against sums done here,
gzip and standard input, slates in any order of rows, groups, fitted models, users, and what is
refused, with file, line and column. With the golden files beside the project also those."""

import csv
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile

PENCHANT = os.environ.get("PENCHANT") or os.path.abspath("build/penchant")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("PENCHANT_DATA") or os.path.join(ROOT, "..", "shared", "data")
GOLDEN = os.path.join(DATA, "..", "golden", "ope")


def run(*args, status=0, data=None):
    done = subprocess.run([PENCHANT, "ope", *args], capture_output=True, text=True, input=data)
    assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
    return done


def report(*args, data=None):
    out = run(*args, "--json", data=data).stdout
    assert out.count("\n") == 1 and out.endswith("\n"), "not one line: %r" % out
    return json.loads(out)


def refused(*args, says, status=1, data=None):
    done = run(*args, status=status, data=data)
    assert done.stdout == "", done.stdout
    for words in says if isinstance(says, tuple) else (says,):
        assert words in done.stderr, (words, done.stderr)


def write(folder, name, header, rows):
    path = os.path.join(folder, name)
    with open(path, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def near(a, b, by=1e-9):
    assert abs(a - b) <= by, (a, b)


HEADER = ["action", "reward", "pscore", "pi_e", "q", "dm", "who", "kind", "age"]
NAMES = ["--propensity", "pscore", "--target", "pi_e"]
PLAN = {"tea": (.5, .2), "cup": (.3, .3), "pot, large": (.2, .5)}
KIND = {"tea": "drink", "cup": "ware", "pot, large": "ware"}


def rows(n, seed):
    draw = random.Random(seed)
    out = []
    for i in range(n):
        age = draw.randrange(20, 60)
        a = draw.choices(list(PLAN), [p for p, _ in PLAN.values()])[0]
        good = {"tea": .1, "cup": .2, "pot, large": .5}[a] + (age - 40) / 200
        out.append([a, int(draw.random() < good), PLAN[a][0], PLAN[a][1],
                    round(draw.random(), 6), round(draw.random(), 6), "u%d" % (i // 3),
                    KIND[a], age])
    return out


def check_figures(folder):
    data = rows(2000, 1)
    path = write(folder, "log.csv", HEADER, data)
    r = report("--log", path, *NAMES, "--quality", "q", "--direct", "dm", "--clip", "1.2",
               "--tau", "1.2", "--lambda", "3")
    n = len(data)
    w = [d[3] / d[2] for d in data]
    rest = [d[1] - d[4] for d in data]
    dm = sum(d[5] for d in data) / n
    want = {
        "ips": sum(x * d[1] for x, d in zip(w, data)) / n,
        "cips": sum(min(x, 1.2) * d[1] for x, d in zip(w, data)) / n,
        "snips": sum(x * d[1] for x, d in zip(w, data)) / sum(w),
        "dm": dm,
        "dr": dm + sum(x * y for x, y in zip(w, rest)) / n,
        "sndr": dm + sum(x * y for x, y in zip(w, rest)) / sum(w),
        "switch-dr": dm + sum(x * y for x, y in zip(w, rest) if x <= 1.2) / n,
        "dros": dm + sum(3 * x / (x * x + 3) * y for x, y in zip(w, rest)) / n,
    }
    for name, value in want.items():
        e = r["estimates"][name]
        near(e["value"], value)
        assert e["low"] < e["value"] < e["high"], (name, e)
        near(e["gain"]["value"], value - r["logged"]["value"])
    near(r["estimates"]["ips"]["ess"], sum(w) ** 2 / sum(x * x for x in w), 1e-6)
    near(r["estimates"]["ips"]["mean_weight"], sum(w) / n)
    near(r["estimates"]["ips"]["max_weight"], max(w))
    near(r["estimates"]["cips"]["clipped"], sum(x > 1.2 for x in w) / n)
    assert r["n"] == r["slots"] == r["clusters"] == n
    assert r["rewarded"] == sum(d[1] for d in data)
    assert r["estimates"]["mips"]["value"] is None and r["estimates"]["mips"]["reason"]
    assert r["chosen"] == "dr" and isinstance(r["answered"], bool) and r["answer"]
    again = report("--log", path, *NAMES, "--quality", "q", "--direct", "dm", "--clip", "1.2",
                   "--tau", "1.2", "--lambda", "3", "--seed", "1")
    assert again == r, "a run does not repeat"
    other = report("--log", path, *NAMES, "--seed", "2")
    assert other["estimates"]["ips"]["low"] != r["estimates"]["ips"]["low"]
    text = run("--log", path, *NAMES).stdout
    for words in ("ips", "snips", "switch-dr", "ESS", "mean w", "2000 rows", r["answer"][:9]):
        assert words in text, (words, text)
    return path


def check_ways_in(folder, path):
    with open(path, "rb") as f:
        raw = f.read()
    zipped = os.path.join(folder, "log.csv.gz")
    with gzip.open(zipped, "wb") as f:
        f.write(raw)
    want = report("--log", path, *NAMES)
    assert report("--log", zipped, *NAMES) == want
    assert report("--log", "-", *NAMES, data=raw.decode()) == want
    semicolons = os.path.join(folder, "semicolons.csv")
    with open(semicolons, "w", newline="") as f:
        csv.writer(f, delimiter=";").writerows(csv.reader(raw.decode().splitlines()))
    assert report("--log", semicolons, *NAMES) == want


def check_fitted(path):
    """The target gives an action the same everywhere: the log shows it whole."""
    r = report("--log", path, *NAMES, "--context", "age")
    truth = .2 * .1 + .3 * .2 + .5 * .5
    for name in ("dm", "dr", "sndr", "switch-dr", "dros", "mrdr"):
        e = r["estimates"][name]
        assert abs(e["value"] - truth) < .05, (name, e, truth)
    plain = report("--log", path, *NAMES)["estimates"]
    assert plain["dr"]["value"] != r["estimates"]["dr"]["value"], "the context is not used"
    users = report("--log", path, *NAMES, "--user", "who")
    assert users["clusters"] == 667, users["clusters"]
    groups = report("--log", path, *NAMES, "--embedding", "kind")["estimates"]["mips"]
    data = list(csv.DictReader(open(path, newline="")))
    weight = {}
    for d in data:
        weight.setdefault(d["kind"], []).append(float(d["pi_e"]) / float(d["pscore"]))
    near(groups["value"], sum(int(d["reward"]) * sum(weight[d["kind"]]) / len(weight[d["kind"]])
                              for d in data) / len(data))


def check_all_probabilities(folder):
    draw = random.Random(5)
    data = []
    for _ in range(900):
        up = draw.random()
        p = {"a": .2 + .5 * up, "b": .5 - .3 * up, "c": .3 - .2 * up}
        a = draw.choice("abc")
        data.append([a, int(draw.random() < {"a": .2, "b": .4, "c": .6}[a]), 1 / 3, p[a],
                     p["a"], p["b"], p["c"]])
    header = ["action", "reward", "propensity", "target", "pi_a", "pi_b", "pi_c"]
    path = write(folder, "all.csv", header, data)
    bare = report("--log", path)["estimates"]
    assert bare["dm"]["value"] is None and "all actions" in bare["mrdr"]["reason"], bare["dm"]
    full = report("--log", path, "--target-all", "pi_")["estimates"]
    truth = .2 * .45 + .4 * .35 + .6 * .2
    for name in ("dm", "dr", "mrdr"):
        assert abs(full[name]["value"] - truth) < .06, (name, full[name])
    data[10][4] += .1
    path = write(folder, "all_bad.csv", header, data)
    refused("--log", path, "--target-all", "pi_", says=(path + ":12: pi_", "add up to 1"))
    refused("--log", path, "--target-all", "nothing_", says='no column begins with "nothing_"')
    path = write(folder, "all_new.csv", header, [["d", 1, .5, .5, .2, .3, .5]])
    refused("--log", path, "--target-all", "pi_", says=(":2: action", "no column"))


def check_slates(folder):
    draw = random.Random(6)
    data, ips, rips, sips, total = [], 0, 0, 0, 0
    for s in range(700):
        prefix, reward, parts = 1, 0, 0
        for k in range(draw.randrange(1, 4)):
            p, q = draw.uniform(.2, .9), draw.uniform(.2, .9)
            r = int(draw.random() < .3)
            prefix *= q / p
            ips += q / p * r
            parts += prefix * r
            reward += r
            data.append(["i%d" % k, r, p, q, "s%d" % s, k + 1, "u%d" % (s // 2)])
        rips += parts
        sips += prefix * reward
        total += reward
    draw.shuffle(data)
    header = ["action", "reward", "propensity", "target", "list", "place", "user"]
    path = write(folder, "slates.csv", header, data)
    asked = ["--log", path, "--slate", "list", "--position", "place", "--user", "user"]
    r = report(*asked)
    near(r["estimates"]["iips"]["value"], ips / 700)
    near(r["estimates"]["rips"]["value"], rips / 700)
    near(r["estimates"]["sips"]["value"], sips / 700)
    near(r["logged"]["value"], total / 700)
    assert (r["n"], r["slots"], r["clusters"]) == (700, len(data), 350)
    assert r["estimates"]["cascade-dr"]["reason"]
    assert "700 slates of" in run(*asked).stdout
    twice = write(folder, "twice.csv", header, data + [data[0]])
    refused("--log", twice, "--slate", "list", "--position", "place",
            says=(twice + ":%d: position" % (len(data) + 2), "already"))
    first = dict(zip(header, data[0]))
    wrong = write(folder, "user.csv", header, data + [["x", 1, .5, .5, first["list"], 99, "no"]])
    refused("--log", wrong, *asked[2:], says=(":%d: user" % (len(data) + 2),))
    refused("--log", path, "--slate", "list", says="--position", status=2)
    refused(*asked, "--embedding", "user", says="not of slates", status=2)


def check_refusals(folder, path):
    header = ["action", "reward", "propensity", "target"]
    for row, words in ((["a", "x", .5, .5], ":3: reward: "),
                       (["a", "", .5, .5], ":3: reward: is not a number"),
                       (["a", "nan", .5, .5], ":3: reward: is missing"),
                       (["a", 1, 0, .5], ":3: propensity: is 0"),
                       (["a", 1, 1.5, .5], ":3: propensity: is no probability"),
                       (["a", 1, .5, -.1], ":3: target: is no probability"),
                       (["", 1, .5, .5], ":3: action: is missing"),
                       (["a", 1, .5], ":3: line: has another number of fields")):
        bad = write(folder, "bad.csv", header, [["a", 1, .5, .5], row])
        refused("--log", bad, says=bad + words)
    refused("--log", path, *NAMES, "--quality", "nope", "--direct", "dm",
            says=(path, 'no column "nope"'))
    refused("--log", path, *NAMES, "--context", "age,nope", says='no column "nope"')
    refused("--log", path, *NAMES, "--context", "kind", says=":2: context: ")
    refused("--log", path, *NAMES, "--quality", "q", says="go together", status=2)
    refused("--log", path, says='no column "propensity"')
    refused("--log", os.path.join(folder, "none.csv"), says="none.csv")
    refused("--log", write(folder, "empty.csv", header, []), says="no row follows")
    open(os.path.join(folder, "nothing.csv"), "w").close()
    refused("--log", os.path.join(folder, "nothing.csv"), says="the file is empty")
    refused("--log", path, *NAMES, "--clip", "0", says="clip", status=2)
    refused(says="--log", status=2)


def check_doubt(folder):
    """Too little, and a target that shows what the log never does: it says so."""
    few = write(folder, "few.csv", HEADER, rows(40, 2))
    r = report("--log", few, *NAMES)
    assert not r["answered"] and r["answer"].startswith("The data cannot answer"), r["answer"]
    assert "worth only" in r["answer"], r["answer"]
    data = [d for d in rows(4000, 3) if d[0] != "pot, large"]
    for d in data:
        d[2] = d[2] / .8
    r = report("--log", write(folder, "unseen.csv", HEADER, data), *NAMES)
    assert not r["answered"] and "is never chosen in the log" in r["answer"], r["answer"]
    good = report("--log", write(folder, "good.csv", HEADER, rows(4000, 3)), *NAMES)
    assert good["answered"] and "better than what was logged" in good["answer"], good["answer"]


def check_golden():
    expected = os.path.join(GOLDEN, "obd_expected.json")
    if not os.path.exists(expected):
        print("SKIP the Open Bandit figures: %s is not there" % expected)
        return
    names = {"switch10": "switch-dr", "cips5": "cips", "dros100": "dros"}
    for campaign, figures in json.load(open(expected)).items():
        r = report("--log", os.path.join(GOLDEN, campaign + "_log.csv"), "--action", "action",
                   "--reward", "reward", *NAMES, "--quality", "q_logged", "--direct", "dm",
                   "--clip", "5")
        for name, value in figures.items():
            near(r["estimates"]["ips"]["ess"] if name == "ess"
                 else r["estimates"][names.get(name, name)]["value"], value)
        assert not r["answered"] and "factor" in r["answer"], r["answer"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = check_figures(folder)
        check_ways_in(folder, path)
        check_fitted(path)
        check_all_probabilities(folder)
        check_slates(folder)
        check_refusals(folder, path)
        check_doubt(folder)
    check_golden()


if __name__ == "__main__":
    sys.exit(main())
