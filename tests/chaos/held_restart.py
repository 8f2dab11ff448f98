"""A memory worker is killed, and its next process held before it can work: only others can have its streams."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hermes_ray.cluster.wire.calls import call, fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import HermesError
from tests.chaos.cameras import Cameras
from tests.chaos.undisturbed import QUESTION, GivenAnswer
from tests.chaos.watching import Watch
from tests.patience import LIMIT_S

_LOOK_S = 0.02
_ANSWER_S = 5.0


@asynccontextmanager
async def killed_and_held(settings: Settings, worker: str) -> AsyncIterator[None]:
    """While the block runs, the worker's next process stands still; its model is not loaded by then."""
    pid = await asyncio.to_thread(_pid, settings, worker)
    os.kill(pid, signal.SIGKILL)
    next_pid = await _next_process(settings, worker, pid)
    os.kill(next_pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(next_pid, signal.SIGCONT)


async def lose_a_worker(
    settings: Settings, client: ClusterClient, cameras: Cameras, watch: Watch, worker: str
) -> list[GivenAnswer]:
    """Kill a worker; new frames and answers of all its streams come from others. Returns these answers."""
    view = await _view(settings)
    lost = [stream for stream, at in view.locations.items() if at.worker == worker]
    assert lost
    async with killed_and_held(settings, worker):
        await watch.until_applied({stream: ts_ms + 1 for stream, ts_ms in cameras.newest_ms().items()})
        answers = [await _ask(client, stream) for stream in lost]
        view = await _view(settings)
        assert worker not in view.memory_workers
        assert worker not in {view.locations[stream].worker for stream in lost}
    return answers


async def _view(settings: Settings) -> ClusterView:
    return await call(COORDINATOR, settings.cluster.namespace, "view", limit_s=_ANSWER_S)


async def _ask(client: ClusterClient, stream: str) -> GivenAnswer:
    items = [item async for item in client.ask(stream, QUESTION, LIMIT_S, patience_s=LIMIT_S)]
    answer = items[-1]
    assert isinstance(answer, Answer)
    return GivenAnswer(time.monotonic(), stream, answer.frames_seen, answer.as_of_ms, answer.text)


async def _next_process(settings: Settings, worker: str, former: int) -> int:
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        try:
            pid = await asyncio.to_thread(_pid, settings, worker)
        except HermesError:
            pid = former
        if pid != former:
            return pid
        assert time.monotonic() < deadline_s, f"{worker} does not come back"
        await asyncio.sleep(_LOOK_S)


def _pid(settings: Settings, worker: str) -> int:
    handle = find_actor(worker, settings.cluster.namespace)
    return fetch(handle.__ray_call__.remote(lambda _: os.getpid()), worker, timeout_s=_ANSWER_S)
