# SPDX-License-Identifier: Apache-2.0
"""What a list knows at once: the last event, an item that ran out; and what a restart or a
stop under load keeps."""
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Shop, fill, main, problem, same, view


def odd_share(ids):
    return sum(int(i[1:]) % 2 for i in ids) / len(ids)


def test_an_event_changes_the_very_next_list():
    with Shop() as s:
        fill(s)
        first = s.get("/v1/recommend?user_id=new").ids
        same(s.events(view("new", "i1")).status, 200)
        odd = s.get("/v1/recommend?user_id=new").ids
        assert odd != first, "the list did not change"
        same(s.events(view("other", "i2")).status, 200)
        even = s.get("/v1/recommend?user_id=other").ids
        assert odd_share(odd) > odd_share(even), (odd, even)
        for item in ("i2", "i4", "i6"):
            before = s.get("/v1/recommend?user_id=new&k=20").json["items"]
            same(s.events(view("new", item)).status, 200)
            assert s.get("/v1/recommend?user_id=new&k=20").json["items"] != before, item


def test_events_of_a_session_change_the_list_and_are_not_kept():
    with Shop() as s:
        fill(s)

        def ask(*items):
            return s.ask("POST", "/v1/recommend", {"k": 10, "events": [
                {"session_id": "s", "item_id": i, "event": "view"} for i in items]}).ids

        odd, even = ask("i1", "i3"), ask("i2", "i4")
        assert odd_share(odd) > odd_share(even), (odd, even)
        same(ask("i1", "i3"), odd, "asked again")


def lists_with(s, item, users):
    """Where an item is recommended, of all lists that can be asked for."""
    paths = [f"/v1/recommend?user_id={u}&k=1000" for u in users]
    paths += ["/v1/popular?k=1000", "/v1/popular?k=1000&category=c1",
              "/v1/items/i1/similar?k=1000", "/v1/recommend?k=1000&category=c1"]
    return [p for p in paths if item in s.get(p).ids]


def test_an_unavailable_item_is_in_no_list_from_that_moment():
    users = ["u1", "u2", "u3", "stranger"]
    with Shop() as s:
        fill(s)
        assert lists_with(s, "i3", users), "it should be somewhere before"
        same(s.put_item("i3", category="c1", available=False).status, 200)
        same(lists_with(s, "i3", users), [])
        same(s.events(view("u1", "i3"), view("stranger", "i3")).status, 200)
        same(lists_with(s, "i3", users), [], "after more events")
        s.restart()
        same(lists_with(s, "i3", users), [], "after a restart")
        same(s.get("/v1/items/i3").json["available"], False)
        same(s.put_item("i3", category="c1", available=True).status, 200)
        assert "/v1/popular?k=1000" in lists_with(s, "i3", users)
        same(s.ask("DELETE", "/v1/items/i3").status, 204)
        same(lists_with(s, "i3", users), [], "deleted")


def test_strangers_and_empty_shops_get_useful_lists():
    with Shop() as s:
        same(s.get("/v1/recommend?user_id=u").ids, [], "no items at all")
        same(s.get("/v1/popular").ids, [])
        for i in range(12):
            s.put_item(f"i{i}", title=f"Item {i}")
        same(len(s.get("/v1/recommend?user_id=u").ids), 10, "items without events")
        same(len(s.get("/v1/recommend").ids), 10, "nobody in particular")
        same(s.events(*[view("u", f"i{i}") for i in range(12)]).status, 200)
        same(len(s.get("/v1/recommend?user_id=u&k=5").ids), 5, "who has seen all")
        fill(s)
        same(set(s.get("/v1/recommend?user_id=x&k=10").ids),
             set(s.get("/v1/recommend?user_id=y&k=10").ids), "strangers are alike")
        known = ",".join(f"i{i}" for i in range(39))
        rest = s.ask("POST", "/v1/recommend", {"user_id": "u1", "exclude": known.split(",")})
        same(rest.ids, ["i39"], "all but one excluded")


def snapshot(s):
    """Lists of every kind, without the ids that differ by design."""
    paths = [f"/v1/recommend?user_id=u{u}&k=20" for u in range(12)]
    paths += [f"/v1/items/i{i}/similar?k=20" for i in range(8)]
    paths += ["/v1/popular?k=40", "/v1/recommend?user_id=stranger&k=40"]
    return {p: s.get(p).ids for p in paths}


def test_the_same_lists_after_a_restart():
    with Shop() as s:
        fill(s)
        s.restart()  # what the items say is made out at opening, from all that are there
        for n in range(60):
            same(s.events(view(f"u{n % 12}", f"i{n * 7 % 40}")).status, 200)
        before = snapshot(s)
        user = s.get("/v1/users/u3").json
        s.restart()
        after = snapshot(s)
        for path, ids in before.items():
            same(after[path], ids, path)
        same(s.get("/v1/users/u3").json, user)


def slates(s):
    text = s.get("/metrics").body.decode()
    return int(re.search(r"^penchant_slates (\d+)$", text, re.M)[1])


def test_every_list_that_was_served_is_logged():
    with Shop() as s:
        fill(s)
        served = [s.get(f"/v1/recommend?user_id=u{n % 7}&k=5") for n in range(40)]
        ids = {a.json["recommendation_id"] for a in served}
        same(len(ids), 40, "their ids differ")
        s.restart()
        same(slates(s), 40)


def post_until_refused(s, name, acknowledged, errors, begun):
    client = s.client()
    n = 0
    try:
        while True:
            a = client.ask("POST", "/v1/events", view(name, f"i{n % 40}", event_id=f"{name}-{n}"))
            if a.status == 503:
                break
            same((a.status, a.json), (200, {"accepted": 1, "duplicates": 0}))
            n += 1
            acknowledged[name] = n
            if n == 20:
                begun.release()
    except (http.client.HTTPException, OSError):
        pass  # refused, or closed before an answer: not acknowledged
    except Exception as e:
        errors.append(e)
    client.close()


def test_a_stop_under_load_loses_nothing():
    with Shop() as s:
        fill(s)
        acknowledged, errors, begun = {}, [], threading.Semaphore(0)
        names = [f"poster{t}" for t in range(6)]
        threads = [threading.Thread(target=post_until_refused,
                                    args=(s, n, acknowledged, errors, begun)) for n in names]
        for t in threads:
            t.start()
        for _ in threads:
            assert begun.acquire(timeout=120), errors
        same(s.stop(), 0, "exit status")
        for t in threads:
            t.join()
        same(errors, [])
        s.start()
        for n in names:
            got = s.get(f"/v1/users/{n}").json["events"]
            assert acknowledged[n] <= got <= acknowledged[n] + 1, (n, acknowledged[n], got)
            ids = [view(n, "i0", event_id=f"{n}-{i}") for i in range(acknowledged[n])]
            same(s.events(*ids).json, {"accepted": 0, "duplicates": len(ids)}, n)


def test_what_is_under_way_is_finished_and_not_ready_is_said():
    with Shop() as s:
        other = s.client()
        same(other.ask("GET", "/readyz").status, 200)
        body = json.dumps(view("slow", "i1")).encode()
        c = socket.create_connection(("127.0.0.1", s.port), timeout=60)
        c.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body))
        assert c.recv(1000).startswith(b"HTTP/1.1 100"), "the server has begun with it"
        s.process.send_signal(signal.SIGTERM)
        while not any("stopping" in line for line in s.errors):
            threading.Event().wait(0.01)
        answer = other.ask("GET", "/readyz")
        while answer.status == 200 and other.connection.sock:  # the signal is on its way
            answer = other.ask("GET", "/readyz")
        problem(answer, 503)
        same(answer.headers["Connection"].lower(), "close")
        same(answer.headers["Retry-After"], "1")
        c.sendall(body)
        got = c.recv(65536)
        assert got.startswith(b"HTTP/1.1 200") and b'"accepted":1' in got, got
        c.close()
        other.close()
        same(s.ended(), 0, "exit status")
        s.start()
        same(s.get("/v1/users/slow").json["events"], 1)


def test_a_client_that_never_finishes_does_not_hold_up_the_stop():
    with Shop() as s:
        same(s.events(view("u", "a")).status, 200)
        with socket.create_connection(("127.0.0.1", s.port), timeout=60) as c:
            c.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                      b"Content-Length: 100\r\n\r\n")
            assert c.recv(1000).startswith(b"HTTP/1.1 100")
            same(s.stop(), 0, "exit status")
        s.start()
        same(s.get("/v1/users/u").json["events"], 1)


def test_clients_that_vanish_do_no_harm():
    body = json.dumps(view("gone", "i1")).encode()
    whole = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body), body)
    with Shop() as s:
        for n in list(range(0, len(whole), 7)) + [len(whole)] * 20:
            c = socket.create_connection(("127.0.0.1", s.port), timeout=60)
            c.sendall(whole[:n])
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()  # a reset
        same(s.events(view("here", "i1")).status, 200)
        same(s.get("/v1/users/here").json["events"], 1)
        # what came whole may have been taken, nothing else
        assert s.get("/v1/users/gone").json.get("events", 0) <= 20


def test_one_server_a_shop_and_ctrl_c_stops_it():
    with Shop() as s:
        same(s.events(view("u", "a")).status, 200)
        second = subprocess.run([PENCHANT, "serve", "-d", s.dir, "--listen", "127.0.0.1:0"],
                                stderr=subprocess.PIPE, text=True, timeout=120)
        assert second.returncode == 1 and "another process" in second.stderr, second
        s.process.send_signal(signal.SIGINT)
        same(s.ended(), 0, "exit status")
        s.start()
        same(s.get("/v1/users/u").json["events"], 1)


def write_and_read(s, name, errors):
    client = s.client()
    try:
        for n in range(1, 41):
            same(client.ask("POST", "/v1/events", view(name, f"i{n % 40}")).status, 200)
            same(client.ask("GET", f"/v1/users/{name}").json["events"], n, name)
            same(len(client.ask("GET", f"/v1/recommend?user_id={name}").ids), 10, name)
    except Exception as e:
        errors.append(e)
    client.close()


def test_many_clients_read_what_they_wrote():
    with Shop(args=["--threads", "4"]) as s:
        fill(s)
        errors = []
        threads = [threading.Thread(target=write_and_read, args=(s, f"w{t}", errors))
                   for t in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(errors, [])


if __name__ == "__main__":
    main(globals())
