"""All that changes, on one connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.api.updates.hub import UpdatesHub
from hermes_ray.api.updates.merge_patch import merge_patch
from hermes_ray.cluster.wire.contracts import Location, StreamStatus
from hermes_ray.config import AccessSettings, ApiSettings, LimitSettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.errors import NotReady
from tests.patience import LIMIT_S
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, app_of, eventually, on_socket

PERIOD_S = 0.01


def status(name: str, frames: int) -> StreamStatus:
    memory = StreamStats(name, frames, FIRST_TS_MS + frames, (3 + frames, 3), 3, None, "full", 0)
    return StreamStatus(name, Location("memory-0", 1), memory, ingest=None, lag_ms=12.4)


class System:
    """Streams as they are now, and how often somebody looked."""

    def __init__(self) -> None:
        self.frames = {"dock": 1, "yard": 1}
        self.looked = 0
        self.error: NotReady | None = None

    async def list_streams(self) -> list[StreamStatus]:
        self.looked += 1
        if self.error is not None:
            raise self.error
        return [status(name, frames) for name, frames in self.frames.items()]


async def test_all_watchers_share_one_reading():
    system = System()
    hub = UpdatesHub(system.list_streams, None, period_s=LIMIT_S)
    watching = [hub.readings() for _ in range(50)]
    firsts = await asyncio.gather(*(anext(one) for one in watching))
    assert all(reading is firsts[0] for reading in firsts)
    assert system.looked == 1
    for one in watching:
        await one.aclose()
    assert hub.watchers == 0


async def test_nothing_is_read_for_nobody():
    system = System()
    hub = UpdatesHub(system.list_streams, None, PERIOD_S)
    await asyncio.sleep(3 * PERIOD_S)
    assert system.looked == 0
    async with aclosing(hub.readings()) as watching:
        await anext(watching)
        await anext(watching)
    looked = system.looked
    await asyncio.sleep(3 * PERIOD_S)
    assert system.looked == looked


async def test_a_slow_watcher_gets_the_newest_and_holds_nobody_up():
    system = System()
    hub = UpdatesHub(system.list_streams, None, PERIOD_S)
    async with aclosing(hub.readings()) as slow, aclosing(hub.readings()) as quick:
        await anext(slow)
        while system.frames["dock"] < 20:
            system.frames["dock"] += 1
            await anext(quick)
        await anext(quick)
        assert (await anext(slow)).streams["dock"]["frames_seen"] == 20


async def test_what_cannot_be_read_is_told_and_what_was_known_stays():
    system = System()
    hub = UpdatesHub(system.list_streams, None, PERIOD_S)
    async with aclosing(hub.readings()) as readings:
        known = await anext(readings)
        system.error = NotReady("waiting for: memory-0")
        while (reading := await anext(readings)).error is None:
            pass
        assert reading.streams == known.streams
        system.error = None
        while (await anext(readings)).error is not None:
            pass


async def test_a_closed_hub_ends_its_watchers():
    hub = UpdatesHub(System().list_streams, None, period_s=3600)
    async with aclosing(hub.readings()) as readings:
        await anext(readings)
        waiting = asyncio.ensure_future(anext(readings, None))
        await asyncio.sleep(0)
        hub.close()
        assert await waiting is None
    assert [reading async for reading in hub.readings()] == []


async def test_after_a_defect_watchers_may_come_again():
    system = System()
    hub = UpdatesHub(system.list_streams, None, PERIOD_S)
    system.frames = {"dock": "many"}  # type: ignore[dict-item]
    assert [reading async for reading in hub.readings()] == []
    system.frames = {"dock": 1}
    async with aclosing(hub.readings()) as readings:
        assert (await anext(readings)).streams["dock"]["frames_seen"] == 1


values = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2), lambda inner: st.dictionaries(st.sampled_from("xyz"), inner)
)
objects = st.dictionaries(st.sampled_from("abcd"), values)


def applied(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


@given(objects, objects)
def test_a_merge_patch_leads_from_one_state_to_the_other(before: dict[str, Any], after: dict[str, Any]):
    assert applied(before, merge_patch(before, after)) == after
    assert merge_patch(after, after) == {}


async def events(http: httpx.AsyncClient, **headers: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async with http.stream("GET", "/v1/updates", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def test_the_streams_come_first_and_then_only_what_has_changed(url: str, engine: StreamEngine):
    async with httpx.AsyncClient(base_url=url, timeout=60) as http, aclosing(events(http)) as heard:
        name, first = await anext(heard)
        assert name == "streams"
        known = first["streams"][STREAM]
        assert (known["frames_seen"], known["as_of_ms"]) == (FRAMES, FIRST_TS_MS + 1000 * (FRAMES - 1))
        assert known["oldest_ms"] == FIRST_TS_MS
        name, second = await anext(heard)
        assert name == "changes"
        assert second["now_ms"] > first["now_ms"]
        assert STREAM not in second["streams"] or set(second["streams"][STREAM]) <= {"state", "lag_ms"}


async def test_a_key_hears_of_its_streams_alone(engine: StreamEngine, tmp_path: Path):
    file = tmp_path / "keys.json"
    made = [new_key(glob, [Scope.READ], [glob], datetime.now(UTC), None) for glob in ("front-*", "back-*")]
    write_keys(file, KeyFile(keys=tuple(key for key, _ in made)))
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off", keys_file=file)))
    with on_socket(app_of(EngineBackend(engine), settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            assert (await http.get("/v1/updates")).status_code == 401
            heard = {}
            for key, secret in made:
                async with aclosing(events(http, Authorization=f"Bearer {secret}")) as told:
                    heard[key.name] = set((await anext(told))[1]["streams"])
    assert STREAM in heard["front-*"]
    assert heard["back-*"] == set()


async def test_a_revoked_key_hears_nothing_more_and_why(engine: StreamEngine, tmp_path: Path):
    file = tmp_path / "keys.json"
    key, secret = new_key("wall", [Scope.READ], ["*"], datetime.now(UTC), None)
    write_keys(file, KeyFile(keys=(key,)))
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off", keys_file=file)))
    with on_socket(app_of(EngineBackend(engine), settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            heard = events(http, Authorization=f"Bearer {secret}")
            assert (await anext(heard))[0] == "streams"
            write_keys(file, KeyFile())
            rest = [told async for told in heard]
    assert {name for name, _ in rest[:-1]} <= {"changes"}
    assert (rest[-1][0], rest[-1][1]["code"]) == ("problem", "unauthorized")
    assert len(rest) < 20  # long before the connection would have ended anyway


async def test_one_address_takes_its_share_of_watchers_alone(engine: StreamEngine):
    api = ApiSettings(access=AccessSettings(audit="off"), limits=LimitSettings(watchers=1))
    with on_socket(app_of(EngineBackend(engine), Settings(api=api))) as url:
        another = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http, aclosing(events(http)) as heard:
            await anext(heard)
            refused = await http.get("/v1/updates")
            async with httpx.AsyncClient(base_url=url, transport=another) as other, aclosing(events(other)) as there:
                assert (await anext(there))[0] == "streams"
    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")


async def test_a_stopping_api_ends_its_watchers_and_a_gone_watcher_costs_nothing(engine: StreamEngine):
    app = app_of(EngineBackend(engine), Settings(api=ApiSettings(access=AccessSettings(audit="off"))))
    with on_socket(app) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            async with aclosing(events(http)) as heard:
                await anext(heard)
                assert app.state.updates.watchers == 1
            assert await eventually(lambda: app.state.updates.watchers == 0)
            staying = events(http)
            await anext(staying)
    # The server has stopped although somebody watched.
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(base_url=url) as http:
            await http.get("/healthz")
    await staying.aclose()
