"""Who is let in, and what each key may do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from hermes_ray.api.keys.key_file import KeyFile, write_keys
from hermes_ray.api.keys.store import KeyStore
from hermes_ray.errors import ConfigError, Unauthorized
from tests.unit.api.conftest import STREAM
from tests.unit.api.keys.conftest import MakeKey, Serve, bearer

QUERY = f"/v1/streams/{STREAM}/query"
QUESTION = {"question": "What is there?", "max_tokens": 1}
CHAT = {"model": f"stream/{STREAM}", "messages": [{"role": "user", "content": "q"}], "max_tokens": 1}


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="hermes"'),
        ({"Authorization": "Basic aGk6aGk="}, 'Bearer realm="hermes", error="invalid_token"'),
        ({"Authorization": "Bearer "}, 'Bearer realm="hermes", error="invalid_token"'),
        (bearer("sk-nobody"), 'Bearer realm="hermes", error="invalid_token"'),
        (bearer("hermes_00000000_x"), 'Bearer realm="hermes", error="invalid_token"'),
    ],
)
async def test_without_a_valid_key_every_door_is_shut(
    serve: Serve, make_key: MakeKey, headers: dict[str, str], challenge: str
):
    make_key("ask", "read", "manage", "metrics")
    async with serve() as http:
        for method, path in [
            ("GET", "/v1/streams"),
            ("GET", "/v1/models"),
            ("GET", "/metrics"),
            ("POST", QUERY),
            ("POST", "/v1/chat/completions"),
            ("POST", f"/v1/streams/{STREAM}/reset"),
            ("DELETE", f"/v1/streams/{STREAM}"),
            ("PATCH", f"/v1/streams/{STREAM}"),
            ("GET", f"/v1/streams/{STREAM}/export"),
            ("POST", f"/v1/streams/{STREAM}/import"),
            ("GET", "/there/is/no/such/path"),
        ]:
            response = await http.request(method, path, headers=headers)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), path
            assert response.headers["www-authenticate"] == challenge
            assert response.headers["content-type"] == "application/problem+json"


async def test_a_secret_of_which_one_character_is_wrong_is_refused(serve: Serve, make_key: MakeKey):
    secret = make_key("read")
    async with serve() as http:
        for wrong in (secret[:-1], secret + "x", secret[:-1] + ("a" if secret[-1] != "a" else "b"), secret.upper()):
            assert (await http.get("/v1/streams", headers=bearer(wrong))).status_code == 401
        assert (await http.get("/v1/streams", headers={"Authorization": f"bearer  {secret}"})).status_code == 200


async def test_what_tells_nothing_needs_no_key(serve: Serve):
    async with serve() as http:
        for path in (
            "/healthz",
            "/readyz",
            "/activez",
            "/openapi.json",
            "/docs",
            "/console/app.js",
            "/problems/unauthorized",
        ):
            assert (await http.get(path)).status_code == 200, path


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("read", "GET", "/v1/streams", None),
        ("read", "GET", f"/v1/streams/{STREAM}", None),
        ("read", "GET", f"/v1/streams/{STREAM}/memory", None),
        ("read", "GET", "/v1/models", None),
        ("ask", "GET", f"/v1/streams/{STREAM}/examples", None),
        ("ask", "POST", QUERY, QUESTION),
        ("ask", "POST", "/v1/chat/completions", CHAT),
        ("metrics", "GET", "/metrics", None),
        ("read", "GET", f"/v1/streams/{STREAM}/latest.jpg", None),
        ("read", "HEAD", f"/v1/streams/{STREAM}/latest.jpg", None),
        ("manage", "POST", "/v1/streams/nobody/reset", None),
        ("manage", "DELETE", "/v1/streams/nobody", None),
        ("manage", "PATCH", "/v1/streams/nobody", {"labels": {}}),
        ("manage", "GET", f"/v1/streams/{STREAM}/export", None),
        ("metrics", "GET", "/v1/workers", None),
        ("operate", "POST", "/v1/workers/nobody/drain", None),
        ("operate", "DELETE", "/v1/workers/nobody/drain", None),
    ],
)
async def test_each_door_opens_to_its_scope_and_to_no_other(
    serve: Serve, make_key: MakeKey, scope: str, method: str, path: str, body: dict | None
):
    others = set(SCOPES) - {scope}
    right, wrong = make_key(scope), make_key(*others)
    async with serve() as http:
        # The router finds a path that ends in a line feed too.
        for same_door in (path, path + "%0A"):
            refused = await http.request(method, same_door, json=body, headers=bearer(wrong))
            assert refused.status_code == 403, same_door
            assert f'error="insufficient_scope", scope="{scope}"' in refused.headers["www-authenticate"]
            if method != "HEAD":
                assert refused.json()["code"] == "forbidden"
                assert f"lacks the scope {scope}" in refused.json()["detail"]
        let_in = await http.request(method, path, json=body, headers=bearer(right))
        assert let_in.status_code == (404 if "nobody" in path else 200)


async def test_the_document_tells_the_scope_that_the_gate_asks_for(serve: Serve, make_key: MakeKey):
    nothing_right = {scope: make_key(*(set(SCOPES) - {scope})) for scope in SCOPES}
    async with serve() as http:
        document = (await http.get("/openapi.json")).json()
        assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                url = path.replace("{id}", STREAM).replace("{code}", "internal")
                if "security" not in operation:
                    assert not {"401", "403"} & set(operation["responses"])
                    assert (await http.request(method, url)).status_code == 200
                    continue
                ((scope,),) = (requirement["key"] for requirement in operation["security"])
                response = await http.request(method, url, headers=bearer(nothing_right[scope]))
                assert response.status_code == 403
                assert f"lacks the scope {scope}" in response.json()["detail"]


SCOPES = ("ask", "read", "manage", "publish", "metrics", "operate")


async def test_an_expired_key_is_told_so(serve: Serve, make_key: MakeKey):
    now = datetime.now(UTC)
    over, valid = (make_key("read", expires=now + timedelta(days=days)) for days in (-1, 1))
    async with serve() as http:
        response = await http.get("/v1/streams", headers=bearer(over))
        assert response.status_code == 401
        assert "expired" in response.json()["detail"]
        assert (await http.get("/v1/streams", headers=bearer(valid))).status_code == 200


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_changed_file_counts_without_a_restart(keys_file: Path, make_key: MakeKey):
    clock = Clock()
    first = make_key("read", name="first")
    store = KeyStore(keys_file, monotonic_s=clock)
    second = make_key("read", name="second")
    with pytest.raises(Unauthorized):
        store.authenticate(second)
    clock.now_s += 2
    assert store.authenticate(second).name == "second"
    write_keys(keys_file, KeyFile())
    clock.now_s += 2
    for revoked in (first, second):
        with pytest.raises(Unauthorized):
            store.authenticate(revoked)


@pytest.mark.parametrize("broken", ["{", '{"version": 2, "keys": []}', '{"keys": [{"id": "a"}]}', None])
def test_a_file_that_breaks_later_locks_nobody_out_and_one_that_is_broken_at_the_start_is_refused(
    keys_file: Path, make_key: MakeKey, broken: str | None
):
    clock = Clock()
    secret = make_key("read")
    store = KeyStore(keys_file, monotonic_s=clock)
    keys_file.unlink()
    if broken is not None:
        keys_file.write_text(broken)
    clock.now_s += 2
    assert store.authenticate(secret).name == "test"
    with pytest.raises(ConfigError, match=r"keys\.json"):
        KeyStore(keys_file)
    write_keys(keys_file, KeyFile())
    clock.now_s += 2
    with pytest.raises(Unauthorized):
        store.authenticate(secret)


def test_the_file_holds_no_secret_and_only_its_owner_reads_it(keys_file: Path, make_key: MakeKey):
    secret = make_key("read")
    assert secret.split("_", maxsplit=2)[2] not in keys_file.read_text()
    assert keys_file.stat().st_mode & 0o777 == 0o600


async def test_without_keys_only_this_machine_is_served(serve: Serve):
    async with serve(keyed=False) as http:
        app = http._transport.app  # pyright: ignore
        elsewhere = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://localhost") as stranger:
            refused = await stranger.get("/v1/streams")
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            assert "hermes keys create" in refused.json()["detail"]
            assert (await stranger.get("/healthz")).status_code == 200
        assert (await http.get("/v1/streams")).status_code == 200


async def test_strangers_use_up_nothing_of_this_machines_share(serve: Serve):
    async with serve(keyed=False, limits={"requests_per_s": 0.001, "burst": 2}) as http:
        elsewhere = httpx.ASGITransport(http._transport.app, client=("192.0.2.7", 4711))  # pyright: ignore
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://localhost") as stranger:
            assert [(await stranger.get("/v1/streams")).status_code for _ in range(3)] == [403, 403, 429]
        assert (await http.get("/v1/streams")).status_code == 200


async def test_an_api_that_is_opened_by_name_serves_everybody(serve: Serve):
    async with serve(keyed=False, access={"open_without_keys": True}) as http:
        app = http._transport.app  # pyright: ignore
        elsewhere = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://hermes:8000") as stranger:
            assert (await stranger.get("/v1/streams")).status_code == 200
