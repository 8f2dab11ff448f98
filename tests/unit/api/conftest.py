"""The application over a real engine with the bundled random model, in this process."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from hermes_ray.api.application import create_app
from hermes_ray.api.backend import Backend
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, EngineSettings, MemorySettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.models import ModelAdapter, load
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.patience import LIMIT_S

FIRST_TS_MS = 1_767_323_045_000
FRAMES = 3
STREAM = "front-door"


@pytest.fixture(scope="session")
def adapter() -> ModelAdapter:
    return load("hermes-tiny-random", device="cpu")


@pytest.fixture(scope="session")
def engine(adapter: ModelAdapter) -> Iterator[StreamEngine]:
    """An engine that has seen FRAMES frames of STREAM, one per second."""
    settings = {
        "memory": MemorySettings(policy="sink_window", budget_tokens=256, slots=2),
        "engine": EngineSettings(max_questions=2, max_questions_waiting=2, max_answer_tokens=4096),
        "thumbnail": thumbnail_maker(320),
    }
    with StreamEngine(adapter, **settings) as engine:
        image = np.full((64, 64, 3), 128, np.uint8)
        capture_times = [FIRST_TS_MS + 1000 * i for i in range(FRAMES)]
        engine.ingest(STREAM, [image] * FRAMES, capture_times).result(60)
        yield engine


@pytest.fixture(scope="session")
def settings() -> Settings:
    # No audit log: commands under test share this process, and stdout is for their results.
    return Settings(api=ApiSettings(access=AccessSettings(audit="off")))


def app_of(backend: Backend, settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def open_backend() -> AsyncIterator[Backend]:
        yield backend

    return create_app(open_backend, settings)


@asynccontextmanager
async def in_process(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a started application, without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


@pytest.fixture(scope="session")
def app(engine: StreamEngine, settings: Settings) -> FastAPI:
    return app_of(EngineBackend(engine), settings)


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(app) as client:
        yield client


@pytest.fixture(scope="session")
def url(engine: StreamEngine, settings: Settings) -> Iterator[str]:
    # Not the application of ``http``, which starts and ends with every test and would close what watchers wait at.
    with on_socket(app_of(EngineBackend(engine), settings)) as url:
        yield url


@contextmanager
def on_socket(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The application on a socket: what disconnects and real clients need. Port 0 is any."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + LIMIT_S
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


async def is_cancelled(engine: StreamEngine, answered: int) -> bool:
    """Whether the engine has come to rest with no more complete answers than it had given before."""
    assert await eventually(lambda: engine.stats().questions_active == 0)
    return engine.stats().questions_answered == answered


async def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds before the time is over."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False
