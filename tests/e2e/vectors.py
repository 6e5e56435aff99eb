#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors of items through the program: every format, whose the rows are, all or nothing, and
back again. The files are packed by hand: nothing but the standard library is needed."""
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, main, same


def run(*args, rc=0):
    p = subprocess.run([PENCHANT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, timeout=120, check=False)
    assert p.returncode == rc, (args, p.returncode, p.stdout, p.stderr)
    return p


def npy(rows, kind="<f4", code="f"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    size = (10 + len(text) + 1 + 63) // 64 * 64 - 10
    head = (text + " " * (size - len(text) - 1) + "\n").encode()
    flat = [v for row in rows for v in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", size) + head + \
        struct.pack(f"<{len(flat)}{code}", *flat)


def safetensors(tensors):
    """tensors: name -> (shape, numbers)"""
    header, data = {}, b""
    for name, (shape, numbers) in tensors.items():
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Folder:
    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="penchant-e2e-")
        self.name = self.temporary.name
        self.shop = os.path.join(self.name, "shop")
        with open(self.path("items.csv"), "w", encoding="utf-8") as f:
            f.write("item_id,title\ntea,Green tea\npot,Pot\nmug,Mug\n")
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def path(self, name):
        return os.path.join(self.name, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def imported(self, *args):
        return json.loads(run("import", "-d", self.shop, "--json", "-q", *args).stdout)

    def vectors(self, name):
        out = self.path("out.jsonl")
        run("export", "-d", self.shop, "--vectors", out, "--name", name)
        with open(out, encoding="utf-8") as f:
            return {row["item_id"]: row["vector"] for row in map(json.loads, f)}


def test_every_format_gives_the_same():
    rows = [[1, 2], [3, -4.5], [0.25, 6]]
    want = {"tea": rows[0], "pot": rows[1], "mug": rows[2]}
    with Folder() as f:
        items = f.path("items.csv")
        f.imported("--items", items)
        ids = f.write("ids.txt", b"tea\npot\nmug\n")
        lines = "".join(json.dumps({"item_id": i, "vector": v}) + "\n" for i, v in want.items())
        files = {
            "f4.npy": npy(rows), "f8.npy": npy(rows, "<f8", "d"), "f2.npy": npy(rows, "<f2", "e"),
            "table.safetensors": safetensors({"e": ([3, 2], [v for r in rows for v in r])}),
            "items.safetensors": safetensors({i: ([2], v) for i, v in want.items()}),
            "lines.jsonl": lines.encode(), "lines.jsonl.gz": gzip.compress(lines.encode())}
        for i, (name, data) in enumerate(files.items()):
            whose = ["--ids", ids] if "npy" in name or "table" in name else []
            report = f.imported("--vectors", f.write(name, data), "--name", f"v{i}",
                                *whose)["vectors"]
            report.pop("seconds")
            same(report, {"name": f"v{i}", "dim": 2, "rows": 3, "taken": 3, "unknown": 0,
                          "empty": 0}, name)
            same(f.vectors(f"v{i}"), want, name)
        # The order of the item file stands in for the ids, in the command that imports both.
        both = f.imported("--items", items, "--vectors", f.path("f4.npy"), "--name", "v0")
        same((both["items"], both["vectors"]["taken"]), (0, 3))
        out = run("export", "-d", f.shop, "--vectors", "-", "--name", "v0").stdout
        same(len(out.splitlines()), 3)


def test_all_or_nothing_and_told_where():
    with Folder() as f:
        f.imported("--items", f.path("items.csv"))
        good = f.write("good.npy", npy([[1, 2], [3, 4], [5, 6]]))
        ids = f.write("ids.txt", b"tea\nunheard-of\nmug\n")
        add = ("import", "-d", f.shop, "-q", "--vectors")
        same(f.imported("--vectors", good, "--name", "text", "--ids", ids)["vectors"]["unknown"], 1)
        before = f.vectors("text")
        same(set(before), {"tea", "mug"})
        bad = f.write("bad.npy", npy([[1, 2], [3, float("nan")], [5, 6]]))
        p = run(*add, bad, "--name", "text", "--ids", ids, rc=1)
        assert "bad.npy: row 2 (byte 136): number 2" in p.stderr, p.stderr
        assert "nothing of this import was kept" in p.stderr, p.stderr
        p = run(*add, bad, "--name", "text", "--items", f.path("items.csv"), rc=1)
        assert "events and items were kept, no vector was" in p.stderr, p.stderr
        p = run(*add, good, "--name", "text", rc=1)
        assert "one item_id a line is needed" in p.stderr, p.stderr
        p = run(*add, f.path("nothing.npy"), "--name", "text", rc=1)
        assert "No such file" in p.stderr, p.stderr
        lines = f.write("own.jsonl", b'{"item_id": "a", "vector": [1, 2]}\n')
        p = run(*add, lines, "--name", "text", "--ids", ids, rc=1)
        assert "own.jsonl names its items itself" in p.stderr, p.stderr
        for idle in (["--ids", ids], ["--weight", "2"], ["--name", "text"]):
            p = run("import", "-d", f.shop, "--items", f.path("items.csv"), *idle, rc=2)
            assert idle[0] + " goes with --vectors" in p.stderr, p.stderr
        p = run(*add, good, "--name", "Not So", "--ids", ids, rc=1)
        assert "[a-z0-9_.-]" in p.stderr, p.stderr
        same(f.vectors("text"), before)
        checked = f.imported("--vectors", good, "--name", "text", "--ids", ids, "--check")
        same((checked["check"], checked["vectors"]["taken"]), (True, 3))
        same(f.vectors("text"), before)


def test_they_can_be_removed():
    with Folder() as f:
        f.imported("--items", f.path("items.csv"))
        f.imported("--vectors", f.write("a.jsonl", b'{"item_id":"tea","vector":[1]}'),
                   "--name", "text")
        run("import", "-d", f.shop, "--drop-vectors", "--name", "text")
        p = run("export", "-d", f.shop, "--vectors", "-", "--name", "text", rc=1)
        assert "no vectors called text" in p.stderr, p.stderr
        p = run("import", "-d", f.shop, "--drop-vectors", "--name", "text", rc=1)
        assert p.stderr == "penchant: import: there are no vectors called text\n", p.stderr


def test_wrong_usage():
    with Folder() as f:
        for args, said in ((["--vectors", "x"], "--name"), (["--ids", "x"], "--vectors"),
                           (["--drop-vectors"], "--name"), ([], "--vectors"),
                           (["--drop-vectors", "--name", "a", "--check"], "alone"),
                           (["--vectors", "x", "--name", "a", "--weight", "0"], "--weight")):
            p = run("import", "-d", f.shop, *args, rc=2)
            assert said in p.stderr, (args, p.stderr)
        run("export", "-d", f.shop, "--vectors", "-", rc=2)
        assert not os.path.exists(f.shop)


if __name__ == "__main__":
    main(globals())
