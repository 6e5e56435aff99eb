# SPDX-License-Identifier: Apache-2.0
"""Who may ask: the key, what needs it, and that the world is not let in without one. Keys,
ids and bodies do not reach the log."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from shop import PENCHANT, Client, Shop, main, problem, same, view

KEY = "correct-horse-battery-staple"

NEEDS_KEY = [("POST", "/v1/events"), ("GET", "/v1/recommend"), ("POST", "/v1/recommend"),
             ("GET", "/v1/popular"), ("GET", "/v1/items/a"), ("PUT", "/v1/items/a"),
             ("DELETE", "/v1/items/a"), ("GET", "/v1/items/a/similar"), ("GET", "/v1/users/a"),
             ("DELETE", "/v1/users/a"), ("GET", "/metrics"), ("GET", "/%76%31/popular"),
             ("HEAD", "/v1/popular"), ("GET", "/v1/nope"), ("GET", "/v1/items/%zz")]


def test_without_the_key_nothing_is_answered():
    with Shop(key=KEY) as s:
        same(s.events(view("u", "a")).status, 200)
        stranger = Client(s.port)
        for method, path in NEEDS_KEY:
            a = stranger.ask(method, path, "{}" if method in ("POST", "PUT") else None)
            same(a.status, 401, path)
            assert a.headers["WWW-Authenticate"].startswith("Bearer"), path
            same(a.headers["Content-Type"], "application/problem+json", path)
        for path in ("/healthz", "/readyz", "/openapi.json"):
            same(stranger.ask("GET", path).status, 200, path)
        stranger.close()
        same(s.get("/v1/users/u").json["events"], 1)
        same(s.get("/v1/items/a").status, 200, "it was not deleted")


def test_only_the_right_key_opens():
    with Shop(key=KEY) as s:
        stranger = Client(s.port)
        for given in ("", "Bearer", "Bearer ", "Bearer " + KEY[:-1], "Bearer " + KEY + "x",
                      "Bearer " + KEY.upper(), "Basic " + KEY, KEY, "Bearer" + KEY,
                      "Bearer x" + KEY[1:]):
            a = stranger.ask("GET", "/v1/popular", headers={"Authorization": given})
            problem(a, 401)
        for given in ("Bearer " + KEY, "bearer " + KEY, "Bearer  " + KEY):
            a = stranger.ask("GET", "/v1/popular", headers={"Authorization": given})
            same(a.status, 200, given)
        big = stranger.ask("POST", "/v1/events", " " * (2 << 20))
        problem(big, 401)
        stranger.close()


def serve(listen, key=None, *more):
    """The exit status and what it said, of a server that should not start."""
    env = {k: v for k, v in os.environ.items() if k != "PENCHANT_API_KEY"}
    if key is not None:
        env["PENCHANT_API_KEY"] = key
    with tempfile.TemporaryDirectory(prefix="penchant-e2e-") as dir:
        done = subprocess.run([PENCHANT, "serve", "-d", dir, "--listen", listen, *more],
                              env=env, stderr=subprocess.PIPE, text=True, timeout=120)
    return done.returncode, done.stderr


def test_the_world_is_not_let_in_without_a_key():
    for listen in ("0.0.0.0:0", ":0"):
        status, said = serve(listen)
        assert status not in (0, -15) and "PENCHANT_API_KEY" in said and "--insecure" in said, said
    status, said = serve("0.0.0.0:0", "")
    assert status != 0 and "empty" in said, said
    for listen in ("nonsense", "127.0.0.1", "127.0.0.1:99999", "::1:80"):
        status, said = serve(listen)
        assert status != 0 and "listen" in said, said


def test_with_a_key_or_insecure_it_is():
    with Shop(key=KEY, args=["--listen", "0.0.0.0:0"]) as s:
        same(s.get("/v1/popular").status, 200)
        stranger = Client(s.port)
        problem(stranger.ask("GET", "/v1/popular"), 401)
        stranger.close()
    with Shop(args=["--listen", "0.0.0.0:0", "--insecure"]) as s:
        same(s.get("/v1/popular").status, 200)


def test_secrets_and_ids_stay_out_of_the_log():
    with Shop(key=KEY) as s:
        s.events(view("zebra-user", "zebra-item", query="zebra-query",
                      text="zebra-text"))
        s.ask("POST", "/v1/events", '{"user_id":"zebra-broken"')
        s.get("/v1/users/zebra-nobody")
        s.get("/v1/recommend?user_id=zebra-user&k=zebra")
        s.ask("DELETE", "/v1/users/zebra-user")
        Client(s.port).ask("GET", "/metrics", headers={"Authorization": "Bearer zebra-key"})
        assert "zebra" not in s.get("/metrics").body.decode()
        s.stop()
        said = "".join(s.errors)
        assert "zebra" not in said and KEY not in said, said


if __name__ == "__main__":
    main(globals())
