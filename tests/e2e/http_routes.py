# SPDX-License-Identifier: Apache-2.0
"""Every route: what it answers when all is well, and each class of error. After an error of
the caller nothing has changed."""
import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import Shop, fill, main, problem, same, view


def counts(s):
    """What the shop holds, by its own account."""
    text = s.get("/metrics").body.decode()
    return {n: float(re.search(rf"^penchant_{n} (\S+)$", text, re.M)[1])
            for n in ("events", "users", "items")}


def test_events_one_array_and_lines():
    with Shop() as s:
        one = s.ask("POST", "/v1/events", view("u", "a"))
        same((one.status, one.json), (200, {"accepted": 1, "duplicates": 0}))
        same(one.headers["Content-Type"], "application/json")
        same(s.events(view("u", "a"), view("u", "b")).json, {"accepted": 2, "duplicates": 0})
        lines = "\n".join(json.dumps(view("u", i)) for i in "abc") + "\n"
        for kind in ("application/x-ndjson", "text/plain"):
            got = s.ask("POST", "/v1/events", lines, {"Content-Type": kind})
            same(got.json, {"accepted": 3, "duplicates": 0}, kind)
        one_line = s.ask("POST", "/v1/events", json.dumps(view("u", "d")),
                         {"Content-Type": "application/x-ndjson; charset=utf-8"})
        same(one_line.json["accepted"], 1)
        same(s.events().json, {"accepted": 0, "duplicates": 0})
        user = s.get("/v1/users/u").json
        same(user["events"], 10)
        same([e["item_id"] for e in user["recent"]][-4:], ["a", "b", "c", "d"])


def test_events_keep_their_fields():
    with Shop() as s:
        full = {"user_id": "ü/1", "session_id": "s", "item_id": "a b", "event": "purchase",
                "timestamp": 1714564800123456, "value": 9.5, "quantity": 2,
                "recommendation_id": "r1", "placement": "home"}
        search = {"user_id": "ü/1", "event": "search", "query": "red \"shoes\"",
                  "timestamp": "2024-05-01T14:00:01+02:00"}
        review = {"user_id": "eve", "event": "review", "item_id": "a b", "value": 2,
                  "text": "too small,\n很小", "timestamp": 1714564802}
        same(s.events(full, search, review).status, 200)
        user = s.get("/v1/users/%C3%BC%2F1").json
        same(user["user_id"], "ü/1")
        same(user["first_timestamp"], 1714564800123456)
        same(user["last_timestamp"], 1714564801000000)
        same(user["events"], 2)
        same([e["event"] for e in user["recent"]][:1], ["purchase"])
        same(user["recent"][0]["item_id"], "a b")
        same(user["recent"][0]["timestamp"], full["timestamp"])
        same(s.stop(), 0)
        rows = s.exported_events()
        same(len(rows), 3)
        same(rows[2]["text"], review["text"])
        for name, value in full.items():
            got = rows[0][name]
            same(float(got) if name in ("value", "quantity") else got,
                 value if name != "timestamp" else got, name)
        same((rows[1]["event"], rows[1]["query"], rows[1]["item_id"]),
             ("search", search["query"], ""))


def test_event_ids_are_taken_once():
    with Shop() as s:
        a, b = view("u", "a", event_id="e1"), view("u", "b", event_id="e2")
        same(s.events(a).json, {"accepted": 1, "duplicates": 0})
        same(s.events(a, b, b).json, {"accepted": 1, "duplicates": 2})
        same(s.get("/v1/users/u").json["events"], 2)
        s.restart()
        same(s.events(a, b).json, {"accepted": 0, "duplicates": 2})
        same(s.get("/v1/users/u").json["events"], 2)


def test_bad_events_change_nothing():
    good = json.dumps(view("u", "a"))
    with Shop() as s:
        same(s.events(view("u", "a")).status, 200)
        before = counts(s)

        def bad(body, status, field=None, index=None, headers=None):
            p = problem(s.ask("POST", "/v1/events", body, headers), status, field)
            if index is not None:
                same(p["errors"][0]["index"], index, "index")
            return p

        bad(b"", 400)
        bad("{", 400)
        bad("[" + good + ",", 400)
        bad('{"user_id":"u","user_id":"v","item_id":"a","event":"view"}', 400)
        bad(b'{"user_id":"\xff","item_id":"a","event":"view"}', 400)
        bad('{"user_id":"\\u0000","item_id":"a","event":"view"}', 400)
        bad('{"user_id":"u","item_id":"a","event":"view","value":1e999}', 400)
        bad('{"user_id":"u","item_id":"a","event":"view","value":99999999999999999999}', 400)
        bad("[" * 100000, 400)
        bad("[" + good + ',{"user_id":"u","item_id":3,"event":"view"}]', 422, "item_id", 1)
        bad("[" + good + ',{"user_id":"u","item_id":"new"}]', 422, "event", 1)
        bad("[" + good + ',{"item_id":"new","event":"view"}]', 422, "user_id", 1)
        bad("[" + good + ',{"user_id":"u","event":"view"}]', 422, "item_id", 1)
        bad("[" + good + ',{"user":"u","item_id":"a","event":"view"}]', 422, "user", 1)
        bad("[" + good + ',{"user_id":"u","item_id":"a","event":"A b"}]', 422, "event", 1)
        bad("[" + good + ',7]', 422, "", 1)
        bad(good + '\n{"user_id":"u","item_id":"a","event":"view","timestamp":"x"}\n', 422,
            "timestamp", 1)
        p = bad(good + "\n\n{oops}\n" + '{"user_id":1}\n', 400)
        same([(e["index"], e["line"]) for e in p["errors"]], [(1, 3), (2, 4)])
        p = bad("[" + ",".join(['{"user_id":1}'] * 300) + "]", 422, "user_id", 0)
        same(len(p["errors"]), 100)
        problem(s.ask("POST", "/v1/events?k=1", good), 400, "k")
        same(counts(s), before, "counts after bad events")
        same(s.get("/v1/users/u").json["events"], 1)
        problem(s.get("/v1/items/new"), 404)


def test_too_many_event_names_are_refused_whole():
    with Shop() as s:
        names = [{"user_id": "u", "item_id": "a", "event": f"kind{i}"} for i in range(200)]
        same(s.events(*names).json["accepted"], 200)
        before = counts(s)
        more = [view("v", "b")] + [{**e, "event": "more_" + e["event"]} for e in names]
        problem(s.events(*more), 422, "event")
        same(counts(s), before, "nothing of it was kept")
        problem(s.get("/v1/users/v"), 404)
        same(s.events(view("u", "a")).status, 200, "others go on")


def test_large_bodies_are_refused():
    with Shop() as s:
        many = ",".join([json.dumps(view("u", "a"))] * 10001)
        problem(s.ask("POST", "/v1/events", "[" + many + "]"), 413)
        problem(s.ask("POST", "/v1/events", many.replace("},{", "}\n{")), 413)
        problem(s.ask("POST", "/v1/events", " " * ((1 << 20) + 1)), 413)
        problem(s.ask("PUT", "/v1/items/a", " " * (5 << 20)), 413)
        same(counts(s)["events"], 0)
        padded = json.dumps(view("u", "a")).ljust(1 << 20)
        same(s.ask("POST", "/v1/events", padded).json["accepted"], 1, "exactly 1 MiB")


def raw(port, data):
    """Sends bytes and returns all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as c:
        c.sendall(data)
        got = b""
        while True:
            piece = c.recv(65536)
            if not piece:
                return got
            got += piece


def test_a_hundred_megabytes_announced_are_answered_at_once():
    with Shop() as s:
        got = raw(s.port, b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 100000000\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 413 "), got[:200]
        assert b"application/problem+json" in got
        body = json.dumps(view("u", "a")).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body)))
        got = raw(s.port, b"POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 200 "), got[:200]
        got = raw(s.port, b"NONSENSE\r\n\r\n")
        assert b" 400 " in got.split(b"\r\n")[0] or got == b"", got[:200]
        same(s.get("/healthz").status, 200)


def test_pipelined_requests_are_answered_in_order():
    with Shop() as s:
        body = json.dumps(view("u", "a")).encode()
        post = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
            len(body), body)
        last = b"GET /v1/users/u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        got = raw(s.port, post * 20 + last)
        same(got.count(b'{"accepted":1,"duplicates":0}'), 20)
        assert b'"events":20' in got, got[-500:]


def test_lists():
    with Shop() as s:
        fill(s)
        for path in ("/v1/recommend?user_id=u1&k=5", "/v1/popular?k=5",
                     "/v1/items/i3/similar?k=5"):
            a = s.get(path)
            same(a.status, 200, path)
            same(len(a.ids), 5, path)
            same(len(set(a.ids)), 5, path)
            scores = [i["score"] for i in a.json["items"]]
            same(scores, sorted(scores, reverse=True), path)
        same(len(s.get("/v1/recommend?user_id=u1").ids), 10, "k when it is not given")
        same(len(s.get("/v1/popular?k=1000").ids), 40, "all there are")
        assert s.get("/v1/recommend?user_id=u1").json["recommendation_id"]
        assert "i3" not in s.get("/v1/items/i3/similar?k=39").ids
        odd = s.get("/v1/recommend?user_id=u1&k=40&category=c1").ids
        assert odd and all(int(i[1:]) % 2 == 1 for i in odd), odd
        odd = s.get("/v1/popular?k=40&category=c1").ids
        assert odd and all(int(i[1:]) % 2 == 1 for i in odd), odd


def test_recommend_by_body_is_the_same_list():
    with Shop() as s:
        fill(s)
        top = s.get("/v1/recommend?user_id=u1&k=3&category=c1").ids
        by_url = s.get(f"/v1/recommend?user_id=u1&k=7&exclude={top[0]}&exclude=nope"
                       f"&exclude={top[2]}&category=c1&exclude_purchased=true&placement=home")
        by_body = s.ask("POST", "/v1/recommend", {
            "user_id": "u1", "k": 7, "exclude": [top[0], "nope", top[2]], "category": "c1",
            "exclude_purchased": True, "placement": "home", "sources": None})
        same(by_url.status, 200)
        same(by_body.ids, by_url.ids)
        assert not {top[0], top[2]} & set(by_url.ids), (top, by_url.ids)
        bought = {e["item_id"] for e in s.get("/v1/users/u1").json["recent"]
                  if e["event"] == "purchase"}
        assert bought and not bought & set(s.get(
            "/v1/recommend?user_id=u1&k=40&exclude_purchased=true").ids)
        session = {"events": [{"session_id": "s", "item_id": "i5", "event": "view"},
                              {"session_id": "s", "item_id": "i7", "event": "view"}]}
        before = counts(s)
        got = s.ask("POST", "/v1/recommend", session)
        same(got.status, 200, got.body)
        same(len(got.ids), 10)
        same(counts(s)["events"], before["events"], "a session is not stored")


def test_bad_lists():
    with Shop() as s:
        fill(s, items=4, users=2)
        for k in ("0", "-1", "1001", "ten", "", "1.5", "5%20"):
            for path in ("/v1/recommend?user_id=u1&k=", "/v1/popular?k=",
                         "/v1/items/i1/similar?k="):
                problem(s.get(path + k), 400, "k")
        problem(s.get("/v1/recommend?user=u1"), 400, "user")
        problem(s.get("/v1/recommend?user_id=u1&user_id=u2"), 400, "user_id")
        problem(s.get("/v1/recommend?user_id=u1&exclude_purchased=perhaps"), 400,
                "exclude_purchased")
        problem(s.get("/v1/popular?user_id=u1"), 400, "user_id")
        problem(s.get("/v1/items/nope/similar"), 404)
        problem(s.get("/v1/recommend?user_id=%zz"), 400)
        problem(s.get("/v1/recommend?user_id=%00"), 400)
        problem(s.get("/v1/recommend?user_id=%ff"), 400)
        for body, field in (({"k": 0}, "k"), ({"k": "ten"}, "k"), ({"k": 1001}, "k"),
                            ({"user": "u"}, "user"), ({"exclude": "i1"}, "exclude"),
                            ({"exclude": [1]}, "exclude"), ({"events": [{"item_id": 1}]},
                                                            "item_id"),
                            ({"exclude_purchased": 1}, "exclude_purchased"), ([], "")):
            problem(s.ask("POST", "/v1/recommend", body), 422, field)
        problem(s.ask("POST", "/v1/recommend", "{"), 400)
        problem(s.ask("POST", "/v1/recommend", b""), 400)
        problem(s.get("/v1/recommend?sources=astrology"), 422)


def test_items():
    with Shop() as s:
        fields = {"title": "Tea \"Oolong\" 茶", "category": "tea|gifts", "brand": "B",
                  "price": 12.5, "available": True}
        path = "/v1/items/a%2Fb%20%C3%BC"
        made = s.ask("PUT", path, fields)
        same(made.status, 201)
        want = {"item_id": "a/b ü", **fields, "events": 0}
        same(made.json, want)
        same(s.get(path).json, want)
        again = s.ask("PUT", path, {"title": "Tea", "item_id": "a/b ü"})
        same(again.status, 200)
        got = s.get(path).json
        same((got["title"], got["brand"], got["price"]), ("Tea", None, None), "replaced")
        same(s.events(view("u", "a/b ü")).status, 200)
        same(s.get(path).json["events"], 1)
        same(s.get("/v1/popular").ids, ["a/b ü"])
        s.restart()
        same(s.get(path).json["title"], "Tea")
        gone = s.ask("DELETE", path)
        same((gone.status, gone.body), (204, b""))
        problem(s.get(path), 404)
        problem(s.ask("DELETE", path), 404)
        same(s.get("/v1/popular").ids, [])


def test_bad_items_change_nothing():
    with Shop() as s:
        same(s.put_item("a", title="A", price=1).status, 201)
        before = s.get("/v1/items/a").json
        for body, status, field in (
                ({"title": 1}, 422, "title"), ({"price": "1"}, 422, "price"),
                ({"available": "no"}, 422, "available"), ({"name": "A"}, 422, "name"),
                ({"item_id": "b"}, 422, "item_id"), ([], 422, ""), ("{", 400, None),
                (b"", 400, None), ('{"price":1e999}', 400, None),
                ('{"title":"x","title":"y"}', 400, None)):
            problem(s.ask("PUT", "/v1/items/a", body), status, field)
            problem(s.ask("PUT", "/v1/items/new", body), status, field)
        problem(s.ask("PUT", "/v1/items/" + "x" * 257, {"title": "x"}), 422, "item_id")
        same(s.get("/v1/items/a").json, before)
        problem(s.get("/v1/items/new"), 404)


def test_users():
    with Shop() as s:
        problem(s.get("/v1/users/u"), 404)
        problem(s.ask("DELETE", "/v1/users/u"), 404)
        same(s.events(view("u", "a"), view("v", "a")).status, 200)
        same(s.get("/v1/users/u").json["events"], 1)
        same(s.ask("DELETE", "/v1/users/u").status, 204)
        problem(s.get("/v1/users/u"), 404)
        same(s.get("/v1/users/v").json["events"], 1)
        s.restart()
        problem(s.get("/v1/users/u"), 404)
        same(s.get("/v1/users/v").json["events"], 1)
        same(s.events(view("u", "b")).status, 200)
        same(s.get("/v1/users/u").json["events"], 1, "a name is free again")


def test_paths_and_methods():
    with Shop() as s:
        for path in ("/", "/v1", "/v1/nope", "/v1/items", "/v1/items/", "/v1/events/",
                     "/v1/items/a/similar/", "/favicon.ico", "/v1/a/b/c/d"):
            problem(s.get(path), 404)
        for path in ("/v1/items/%", "/v1/items/%4", "/v1/items/%G0", "/v1/items/%00",
                     "/v1/items/%ff", "/1/2/3/4/5/6/7/8/9/10"):
            problem(s.get(path), 400)
        for method, path, allow in (
                ("GET", "/v1/events", "POST"), ("DELETE", "/v1/recommend", "GET, HEAD, POST"),
                ("POST", "/v1/items/a", "GET, HEAD, PUT, DELETE"),
                ("PUT", "/v1/users/a", "GET, HEAD, DELETE"), ("POST", "/healthz", "GET, HEAD"),
                ("PATCH", "/v1/popular", "GET, HEAD"), ("BREW", "/metrics", "GET, HEAD")):
            a = s.ask(method, path)
            problem(a, 405)
            same(a.headers["Allow"], allow, path)


def test_head_is_get_without_a_body():
    with Shop() as s:
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/popular",
                     "/v1/recommend?user_id=u", "/v1/items/none", "/v1/popular?k=0"):
            get, head = s.get(path), s.ask("HEAD", path)
            same((head.status, head.body), (get.status, b""), path)
            same(head.headers["Content-Type"], get.headers["Content-Type"], path)


def test_operations():
    with Shop() as s:
        same(s.get("/healthz").json["status"], "ok")
        same(s.get("/readyz").json["status"], "ready")
        doc = s.get("/openapi.json")
        same(doc.headers["Content-Type"], "application/json")
        same(doc.json["openapi"], "3.1.0")
        with open("docs/openapi.json", "rb") as f:
            same(doc.body, f.read())


SAMPLE = re.compile(r'^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (\S+)$')


def samples(s):
    a = s.get("/metrics")
    assert a.headers["Content-Type"].startswith("text/plain; version=0.0.4"), a.headers
    out, types = {}, {}
    for line in a.body.decode().splitlines():
        if line.startswith("# TYPE "):
            types[line.split()[2]] = line.split()[3]
        elif not line.startswith("#"):
            m = SAMPLE.match(line)
            assert m, line
            assert m[1] + (m[2] or "") not in out, line
            out[m[1] + (m[2] or "")] = float(m[3])
    return out, types


def test_metrics():
    with Shop() as s:
        fill(s, items=4, users=3)
        first, types = samples(s)
        s.events(view("u", "i1"), view("u", "i2"))
        s.get("/v1/popular?k=0")
        s.get("/nope")
        then, _ = samples(s)
        for name, value in first.items():
            base = re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0])
            kind = types.get(name.split("{")[0]) or types[base]
            assert kind in ("counter", "gauge", "histogram"), name
            if kind != "gauge":
                assert then[name] >= value, name

        def grew(name, by):
            same(then[name] - first.get(name, 0), by, name)

        grew('penchant_http_requests_total{method="POST",route="/v1/events",status="200"}', 1)
        grew('penchant_http_requests_total{method="GET",route="/v1/popular",status="400"}', 1)
        grew('penchant_http_requests_total{method="",route="unmatched",status="404"}', 1)
        grew('penchant_http_request_seconds_count{method="POST",route="/v1/events"}', 1)
        grew("penchant_events_accepted_total", 2)
        grew("penchant_events", 2)
        grew("penchant_users", 1)
        same(then["penchant_items"], 4)
        assert then["penchant_commits_total"] > first["penchant_commits_total"]
        assert then["process_resident_memory_bytes"] > 1e5
        buckets = [v for n, v in then.items() if n.startswith(
            'penchant_http_request_seconds_bucket{method="PUT"')]
        same(buckets, sorted(buckets))
        same(buckets[-1], 4)


if __name__ == "__main__":
    main(globals())
