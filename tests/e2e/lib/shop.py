# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the program over a fresh folder, and speaks HTTP with it."""
import csv
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

PENCHANT = os.environ.get("PENCHANT") or os.path.abspath("build/penchant")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def ids(self):
        """The items of a list, best first."""
        return [i["item_id"] for i in self.json["items"]]


class Client:
    """One kept connection; not for several threads."""

    def __init__(self, port, key=None, timeout=60):
        self.key = key
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", "Bearer " + self.key)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        self.connection.request(method, path, body=body, headers=headers)
        r = self.connection.getresponse()
        return Answer(r.status, r.headers, r.read())

    def close(self):
        self.connection.close()


class Shop:
    """A server over a folder. `with Shop() as s:` starts, stops with SIGTERM and cleans up."""

    def __init__(self, key=None, args=()):
        self.dir = tempfile.mkdtemp(prefix="penchant-e2e-")
        self.key, self.args = key, list(args)
        self.process = None
        self.port = 0
        self.errors = []  # what it wrote to stderr, line by line

    def start(self):
        env = dict(os.environ)
        env.pop("PENCHANT_API_KEY", None)
        if self.key:
            env["PENCHANT_API_KEY"] = self.key
        command = [PENCHANT, "serve", "-d", self.dir]
        if "--listen" not in self.args:
            command += ["--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command + self.args, env=env, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        listening = threading.Event()
        self.port = 0
        self.reader = threading.Thread(target=self._read, args=(self.process, listening),
                                       daemon=True)
        self.reader.start()
        listening.wait(120)
        if not self.port:
            self.process.kill()
            raise AssertionError("the server did not start: " + "".join(self.errors))
        self._client = Client(self.port, self.key)
        return self

    def _read(self, process, listening):
        for line in process.stderr:
            self.errors.append(line)
            if "listening on http://" in line:
                self.port = int(line.rsplit(":", 1)[1])
                listening.set()
        listening.set()

    def client(self):
        return Client(self.port, self.key)

    def ask(self, method, path, body=None, headers=None):
        try:
            return self._client.ask(method, path, body, headers)
        except (http.client.HTTPException, OSError):
            self._client.close()  # the server may close a connection after an error
            return self._client.ask(method, path, body, headers)

    def get(self, path):
        return self.ask("GET", path)

    def events(self, *events):
        return self.ask("POST", "/v1/events", list(events))

    def put_item(self, item_id, **fields):
        return self.ask("PUT", "/v1/items/" + item_id, fields)

    def stop(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.ended()

    def ended(self):
        """Waits for its end; the exit status."""
        status = self.process.wait(120)
        self.reader.join()
        self.process.stderr.close()
        self._client.close()
        self.process = None
        return status

    def exported_events(self):
        """The log as `penchant export` writes it, a dict per event; the server is stopped."""
        path = os.path.join(self.dir, "export.csv")
        subprocess.run([PENCHANT, "export", "-d", self.dir, "--events", path], check=True,
                       stdout=subprocess.DEVNULL)
        with open(path, newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def restart(self):
        assert self.stop() == 0
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        try:
            if self.process:
                status = self.stop()
                assert kind or status == 0, f"exit status {status}: {''.join(self.errors)}"
        finally:
            if kind:
                sys.stderr.write("".join(self.errors[-20:]))
            shutil.rmtree(self.dir, ignore_errors=True)


def same(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def problem(answer, status, field=None):
    """Asserts that it is problem+json of that status, with the field among its errors."""
    same(answer.status, status, f"status of {answer.body[:300]!r}")
    same(answer.headers["Content-Type"], "application/problem+json", "type")
    p = answer.json
    same(p["status"], status, "status member")
    assert p["title"] and p["detail"] and p["type"], p
    if field is not None:
        assert field in [e["field"] for e in p["errors"]], p
    return p


def view(user, item, **more):
    return {"user_id": user, "item_id": item, "event": "view", **more}


def fill(shop, items=40, users=30, per_user=8):
    """A small shop: items i0.. in two categories, users u0.. who view and buy in one."""
    for i in range(items):
        shop.put_item(f"i{i}", title=f"Item {i}", category=f"c{i % 2}", brand=f"b{i % 5}",
                      price=1.0 + i)
    events = []
    start = int(time.time()) - 1000000
    for u in range(users):
        for n in range(per_user):
            item = (u % 2) + 2 * ((u * 7 + n * (1 + u % 3)) % (items // 2))
            events.append({"user_id": f"u{u}", "item_id": f"i{item}",
                           "event": "purchase" if n % 4 == 3 else "view",
                           "timestamp": start + u * 1000 + n * 60})
    same(shop.events(*events).status, 200, "filling the shop")
    return events


def main(names):
    """Runs every test_* function of a module's globals(); exits non-zero if one fails."""
    failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_") or not callable(test):
            continue
        try:
            test()
            print("ok   " + name, flush=True)
        except Exception:
            failed += 1
            print("FAIL " + name, flush=True)
            traceback.print_exc()
    sys.exit(1 if failed else 0)
