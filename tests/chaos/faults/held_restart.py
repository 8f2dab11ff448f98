"""A memory worker is killed, and its next process held before it can work: only others can have its streams."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from hermes_ray.cluster.wire.calls import call, fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.users import ask
from tests.chaos.proof.undisturbed import GivenAnswer
from tests.chaos.proof.watching import Watch
from tests.patience import LIMIT_S

_LOOK_S = 0.02
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A worker that was killed and has not come back.

    Attributes:
        process: its next one, which stands still.
        answers: of others, for the streams that it had.
    """

    process: int
    answers: list[GivenAnswer]


@asynccontextmanager
async def killed_and_held(settings: Settings, worker: str) -> AsyncIterator[int]:
    """While the block runs, the worker's next process, which is given, stands still; its model is not loaded by then.

    The block may kill it.
    """
    pid = await asyncio.to_thread(_pid, settings, worker)
    os.kill(pid, signal.SIGKILL)
    next_pid = await _next_process(settings, worker, pid)
    os.kill(next_pid, signal.SIGSTOP)
    try:
        yield next_pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(next_pid, signal.SIGCONT)


@asynccontextmanager
async def lost_worker(
    settings: Settings, client: ClusterClient, cameras: Cameras, watch: Watch, worker: str
) -> AsyncIterator[LostWorker]:
    """Kill a worker; new frames and answers of all its streams come from others. It comes back with the block's end."""
    view = await _view(settings)
    lost = [stream for stream, at in view.locations.items() if at.worker == worker]
    assert lost
    async with killed_and_held(settings, worker) as process:
        await watch.until_all_go_on(cameras.newest_ms())
        answers = [await ask(client, stream) for stream in lost]
        view = await _view(settings)
        assert worker not in view.memory_workers
        assert worker not in {view.locations[stream].worker for stream in lost}
        yield LostWorker(process, answers)


async def _view(settings: Settings) -> ClusterView:
    return await call(COORDINATOR, settings.cluster.namespace, "view", limit_s=_ANSWER_S)


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
