"""The router's process is killed: questions are answered again, and no memory notices."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import ray
from ray.util import list_named_actors

from hermes_ray.api import server
from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster
from hermes_ray.config import Settings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.video.codec import encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAM = "cam"
FRAMES = 10
START_MS = 1_700_000_000_000
QUESTION = {"question": "what is in view now ?", "max_tokens": 4}


@pytest.fixture
def settings(ray_cluster: None, broker: EmbeddedBroker) -> Settings:
    return own_cluster(
        broker,
        memory={"slots": 1},
        cluster={"ingest_worker_cpus": 0.2},
        api={"port": 0},
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    handle = server.start(settings)
    with httpx.Client(base_url=handle.url, timeout=20) as client:
        yield client
    server.stop()
    shutdown_cluster(settings)


def publish(settings: Settings, first: int) -> None:
    begins_ms = START_MS + first * 500
    camera = SimulatedCamera(1, fps=2, width=96, height=64, start_ts_ms=begins_ms, seconds=FRAMES / 2)
    with FrameProducer(settings.kafka) as producer:
        for frame in camera.frames():
            producer.send(FrameMessage(STREAM, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms))


def kill_router() -> None:
    listed: list[Any] = list_named_actors(all_namespaces=True)  # declared as names alone
    routers = [actor for actor in listed if "QueryRouter" in actor["name"]]
    assert routers
    for router in routers:
        replica = ray.get_actor(router["name"], namespace=router["namespace"])
        pid: Any = ray.get(replica.__ray_call__.remote(lambda _: os.getpid()), timeout=10)
        os.kill(pid, signal.SIGKILL)


def answered(api: httpx.Client, frames: int) -> dict[str, Any]:
    """The first answer that rests on so many frames. On the way there, only failures that say "again" are allowed."""
    deadline = time.monotonic() + LIMIT_S
    said: object = None
    while time.monotonic() < deadline:
        try:
            response = api.post(f"/v1/streams/{STREAM}/query", json=QUESTION)
        except httpx.TransportError as error:
            said = error
        else:
            said = response.text
            if response.status_code == 200 and response.json()["frames_seen"] == frames:
                return response.json()
            # Before the first frame the stream is unknown; while no replica is up, Serve itself answers 5xx.
            assert response.status_code in (200, 404, 500, 503), response.text
        time.sleep(0.2)
    raise AssertionError(f"no answer in {LIMIT_S} s; last: {said}")


def test_questions_are_answered_again_after_the_router_died(settings: Settings, api: httpx.Client) -> None:
    publish(settings, first=0)
    before = answered(api, FRAMES)
    kill_router()
    assert answered(api, FRAMES)["answer"] == before["answer"]
    publish(settings, first=FRAMES)
    answered(api, 2 * FRAMES)
