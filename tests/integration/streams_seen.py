"""What tests of whole systems look at and do to them: streams, and the processes behind them."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import ray

from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from tests.patience import LIMIT_S

Streams = Mapping[str, StreamStatus]


async def seen(client: ClusterClient, condition: Callable[[Streams], bool]) -> Streams:
    """The streams that can be asked, once the condition holds of them."""
    deadline = time.monotonic() + LIMIT_S
    found: object = None
    while time.monotonic() < deadline:
        try:
            found = streams = {s.stream_id: s for s in await client.list_streams() if s.state.can_be_asked}
            if condition(streams):
                return streams
        except HermesError as error:
            found = error
        await asyncio.sleep(0.25)
    raise AssertionError(f"not in {LIMIT_S} s: {found}")


def has(frames: int, *names: str) -> Callable[[Streams], bool]:
    """Whether each of these has seen so many frames, no more and no less."""
    return lambda streams: all(n in streams and streams[n].memory.frames_seen == frames for n in names)


async def having(client: ClusterClient, stream_id: str, as_of_ms: int, *, stored: bool = False) -> StreamStatus:
    """The stream once its memory has the frame of that moment, and a snapshot if it is to be ``stored``."""

    def is_there(streams: Streams) -> bool:
        status = streams.get(stream_id)
        if status is None or status.memory.as_of_ms != as_of_ms:
            return False
        return not stored or status.snapshot_age_s is not None

    return (await seen(client, is_there))[stream_id]


def actor(settings: Settings, name: str) -> Any:
    """An actor of the system."""
    return find_actor(name, settings.cluster.namespace)


def process_of(settings: Settings, name: str) -> int:
    """The id of an actor's process."""
    return fetch(actor(settings, name).__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=LIMIT_S)


def kill(settings: Settings, *names: str) -> None:
    """End the processes of actors; Ray starts others."""
    for name in names:
        ray.kill(actor(settings, name), no_restart=False)
