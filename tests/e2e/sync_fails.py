# SPDX-License-Identifier: Apache-2.0
# SLOW: a preloaded library and the sanitizers' runtimes are in each other's way
"""A disk that refuses to sync: a tiny library, preloaded into the server, lets fsync and
fdatasync fail after N calls, once or for ever. What was not synced is not acknowledged; what was
acknowledged is there after a kill, once."""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import Shop, problem, same

SHIM = """
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static atomic_long calls;
static int sync_or_fail(long what, int fd)
{
    const long n = atomic_fetch_add(&calls, 1);
    const long from = atol(getenv("SYNC_FAILS_FROM")), to = atol(getenv("SYNC_FAILS_TO"));
    if (n < from || n >= to)
        return (int)syscall(what, fd);
    errno = EIO;
    return -1;
}
int fsync(int fd) { return sync_or_fail(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_or_fail(SYS_fdatasync, fd); }
"""
EVENTS = 60
FOR_EVER = 1 << 40


def event(n):
    return {"user_id": f"u{n % 7}", "item_id": f"i{n % 5}", "event": "view", "quantity": n,
            "event_id": f"e{n}"}


def start_with(shop, shim, first, last):
    preload = {"LD_PRELOAD": str(shim), "SYNC_FAILS_FROM": str(first),
               "SYNC_FAILS_TO": str(last)}
    os.environ.update(preload)
    try:
        shop.start()
    finally:
        for name in preload:
            del os.environ[name]


def one_run(shim, first, last):
    shop = Shop()
    with shop:
        shop.events(event(0))
        shop.stop()
        start_with(shop, shim, first, last)
        acknowledged, refused = [0], []
        for n in range(1, EVENTS):
            a = shop.events(event(n))
            if a.status == 200:
                acknowledged.append(n)
            else:
                problem(a, a.status)
                assert a.status >= 500, a.body
                refused.append(n)
        assert refused and len(acknowledged) > 1, (first, last, acknowledged, refused)
        if last == FOR_EVER:
            assert max(acknowledged) < min(refused), "nothing is acknowledged after the failure"
        same(shop.get("/healthz").status, 200, "it is alive")
        shop.kill()
        shop.start()
        for n in acknowledged:
            same(shop.events(event(n)).json, {"accepted": 0, "duplicates": 1}, f"event {n}")
        for n in refused:
            a = shop.events(event(n)).json
            same(a["accepted"] + a["duplicates"], 1, f"event {n}, tried again")
        same(shop.stop(), 0, "exit status")
        stored = sorted(int(float(row["quantity"])) for row in shop.exported_events())
        same(stored, list(range(EVENTS)), "every event once")


def main():
    with tempfile.TemporaryDirectory() as folder:
        shim = pathlib.Path(folder) / "sync_fails.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", shim],
                       input=SHIM, text=True, check=True)
        for first, last in ((5, FOR_EVER), (31, FOR_EVER), (8, 9), (20, 23)):
            one_run(shim, first, last)
            print(f"ok   syncs {first} to {'the end' if last == FOR_EVER else last - 1} fail")


if __name__ == "__main__":
    main()
