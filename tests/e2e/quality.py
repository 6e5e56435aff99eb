# SPDX-License-Identifier: Apache-2.0
# SLOW: trains and ranks; the plain run measures the same
"""The small end of tests/reference/quality.csv, measured again: a change that costs quality is
seen by every run of the tests. Rows on generated logs never skip; those on research data do
where it is missing."""

import csv
import importlib.machinery
import importlib.util
import os
import sys
import tempfile

PENCHANT = os.environ["PENCHANT"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.path.join(ROOT, "tests", "reference")
DATA = os.environ.get("PENCHANT_DATA", os.path.join(ROOT, "..", "shared", "data"))

# Counting is exact but for the last bits of logarithms. A trained model differs a little from
# one instruction set to another.
EXACT, TRAINED = 0.0005, 0.02


def load_measure():
    path = os.path.join(REFERENCE, "measure_quality")
    loader = importlib.machinery.SourceFileLoader("measure_quality", path)
    spec = importlib.util.spec_from_loader("measure_quality", loader)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def here(argument):
    mark = "../shared/data/"
    return os.path.join(DATA, argument[len(mark):]) if argument.startswith(mark) else argument


def compare(rows, found, measure):
    fresh = {(r["source"], r["metric"]): r["value"] for r in measure.rows_of({}, found)}
    trained = found.get("preset") is not None
    for r in rows:
        now = fresh.get((r["source"], r["metric"]))
        assert now is not None, "no %s of %s any more: %s" % (r["metric"], r["source"], r["command"])
        learns = trained and r["source"] not in found.get("baselines", {})
        slack = TRAINED if learns else EXACT
        if "over" in r["source"]:
            slack *= 2
        was = float(r["value"])
        assert abs(now - was) <= slack, "%s: %s of %s is %.4f, was %.4f at %s" % (
            r["command"], r["metric"], r["source"], now, was, r["commit"])


def main():
    measure = load_measure()
    with open(os.path.join(REFERENCE, "quality.csv"), newline="") as f:
        small = [r for r in csv.DictReader(f) if r["small"] == "yes"]
    commands = list(dict.fromkeys(r["command"] for r in small))
    assert any("generated/" in c for c in commands), "nothing that needs no data"
    for command in commands:
        arguments = [here(a) for a in command.split()[2:]]
        missing = [a for a in arguments if a.startswith(DATA) and not os.path.exists(a)]
        if missing:
            print("SKIP no research data for: " + command)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure.run(PENCHANT, arguments, folder)
        compare([r for r in small if r["command"] == command], found, measure)
        print("ok " + command)


if __name__ == "__main__":
    sys.exit(main())
