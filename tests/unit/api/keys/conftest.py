"""Applications over the engine of the room, each with its own keys and settings."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, read_keys, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.config import Settings, load
from hermes_ray.engine import StreamEngine
from tests.unit.api.conftest import app_of, in_process

MakeKey = Callable[..., str]
Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write_keys(path, KeyFile())
    return path


@pytest.fixture
def make_key(keys_file: Path) -> MakeKey:
    """Adds a key to the file and returns its secret."""

    def make(*scopes: str, name: str = "test", streams: Iterable[str] = ("*",), expires: datetime | None = None) -> str:
        key, secret = new_key(name, map(Scope, scopes), streams, datetime.now(UTC), expires)
        write_keys(keys_file, KeyFile(keys=(*read_keys(keys_file).keys, key)))
        return secret

    return make


@pytest.fixture
def serve(engine: StreamEngine, keys_file: Path) -> Serve:
    """A client of an application with the keys in the file by now, and these settings of the ``api`` section."""

    @asynccontextmanager
    async def serving(keyed: bool = True, **api: Any) -> AsyncIterator[httpx.AsyncClient]:
        access = {"keys_file": keys_file} if keyed else {}
        settings: Settings = load(overrides={"api": {**api, "access": {**access, **api.get("access", {})}}})
        async with in_process(app_of(EngineBackend(engine), settings)) as client:
            yield client

    return serving


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
