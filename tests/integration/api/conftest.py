"""One system for all files of this folder, used in their order: with keys, without, and at last with workers that die.

Its HTTP API is deployed anew where a file wants other settings of it.
"""

import base64
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from ray import serve

from hermes_ray.api import server
from hermes_ray.api.app import build
from hermes_ray.api.keys.key_file import KeyFile, new_key, read_keys, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.client import HermesClient
from hermes_ray.config import (
    AccessSettings,
    ApiSettings,
    ClusterSettings,
    EngineSettings,
    EventSettings,
    KafkaSettings,
    LimitSettings,
    MemorySettings,
    MetricsSettings,
    ModelSettings,
    Settings,
    SnapshotSettings,
    StandingQuestion,
    StandingSettings,
    VideoSettings,
    WebhookSettings,
)
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_jpeg
from tests.patience import LIMIT_S
from tests.webhook_receiver import Receiver

STREAMS = ["back-door", "cam-1", "cam-2", "front-door"]
FRAMES = 4
FIRST_TS_MS = 1_767_323_045_000
FRAME_INTERVAL_MS = 500
DAMAGED_STREAM = STREAMS[0]
BODY_TIMEOUT_S = 2.0
AHEAD = 4
BODY_LIMIT = 16 * 1024
DOORS = 16
"""How many questions the API has under way at once, where it has no keys."""
WITHOUT_KEYS = ApiSettings(port=0, max_body_bytes=BODY_LIMIT, max_ongoing_requests=DOORS)
WATCHED = "watched"
"""What the names of streams begin with that are asked a standing question."""
_ALWAYS = StandingQuestion(
    name="always",
    question="is there a red car in view ?",
    streams=(f"{WATCHED}-*",),
    every_s=1,
    on="match",
    fire_at=0,
    clear_at=0,
)


def until(condition: Callable[[], bool], every_s: float = 0.1) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(every_s)


def published_pictures() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (FRAMES, 64, 64, 3), np.uint8)


def make_key(path: Path, *scopes: Scope, streams: tuple[str, ...] = ("*",)) -> str:
    key, secret = new_key("test", scopes, streams, datetime.now(UTC), None)
    write_keys(path, KeyFile(keys=(*read_keys(path).keys, key)))
    return secret


class System:
    """A system that runs, with all frames of all streams applied.

    Attributes:
        settings: with those of the API as it was deployed first, with keys.
        url: of the API.
        secret: a key with every scope.
    """

    def __init__(self, settings: Settings, secret: str) -> None:
        self.settings = settings
        self.secret = secret
        self.url = server.start(settings, ready_timeout_s=LIMIT_S).url
        self._api = settings.api

    def deploy(self, api: ApiSettings) -> None:
        """Let the API have such settings, as under a Serve configuration; the port stays as it is."""
        if api == self._api:
            return
        serve.run(build(self.settings.model_copy(update={"api": api}).model_dump()), name=server.APPLICATION)
        self._api = api

    def wait_for_frames(self) -> None:
        """Until every stream has all of its frames."""
        with HermesClient(self.url, self.secret) as client:
            wanted = dict.fromkeys(STREAMS, FRAMES)
            until(lambda: {stream.id: stream.frames_seen for stream in client.streams()} == wanted)


@pytest.fixture(scope="package")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, KeyFile())
    return path


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="package")
def settings(
    ray_cluster: None,
    broker: EmbeddedBroker,
    keys_file: Path,
    receiver: Receiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    unique = uuid4().hex[:8]
    kept = tmp_path_factory.mktemp("events")
    (kept / "secret").write_text("whsec_" + base64.b64encode(b"nobody knows that").decode())
    nobody = WebhookSettings(url="http://127.0.0.1:9", secret_file=kept / "secret")
    somebody = WebhookSettings(url=receiver.url, secret_file=kept / "secret")
    return Settings(
        # Random weights talk until they are stopped, which full workers and abandoned answers need.
        model=ModelSettings(name="hermes-tiny-random"),
        # A budget of a few frames, and more streams than slots in the end: memories are compacted and parked.
        memory=MemorySettings(budget_tokens=64, slots=2),
        engine=EngineSettings(
            max_questions=2,
            max_questions_waiting=1,
            max_questions_ahead=AHEAD,
            max_questions_ahead_per_stream=AHEAD,
            max_question_tokens=128,
            max_answer_tokens=4096,
        ),
        kafka=KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            frames_topic=f"frames-{unique}",
            dead_letters_topic=f"dead-letters-{unique}",
            events_topic=f"events-{unique}",
            frames_partitions=4,
            group_id=f"group-{unique}",
        ),
        video=VideoSettings(target_fps=4, unchanged="skip"),
        # Not in step with the scrapes, or each could come just behind a snapshot and never see one that is due.
        snapshots=SnapshotSettings(interval_s=1.3),
        events=EventSettings(
            database=f"sqlite:///{kept / 'events.sqlite'}", webhooks={"nobody": nobody, "somebody": somebody}
        ),
        standing=StandingSettings(questions=(_ALWAYS,)),
        metrics=MetricsSettings(per_stream=True),
        cluster=ClusterSettings(
            namespace=f"hermes-{unique}",
            memory_workers=2,
            memory_worker_cpus=0.5,
            torch_threads=1,
            ingest_worker_cpus=0.2,
        ),
        # On the network, as in a pod: with keys it may be.
        api=ApiSettings(
            host="0.0.0.0",
            port=0,
            body_timeout_s=BODY_TIMEOUT_S,
            access=AccessSettings(keys_file=keys_file),
            limits=LimitSettings(questions_ahead=AHEAD),
        ),
    )


@pytest.fixture(scope="package")
def system(settings: Settings, keys_file: Path) -> Iterator[System]:
    ensure_topics(settings.kafka)
    try:
        system = System(settings, make_key(keys_file, *Scope))
        _publish(settings)
        system.wait_for_frames()
        yield system
    finally:
        server.stop(settings)


def _publish(settings: Settings) -> None:
    with FrameProducer(settings.kafka) as producer:
        for n, picture in enumerate(published_pictures()):
            for stream in STREAMS:
                ts_ms = FIRST_TS_MS + n * FRAME_INTERVAL_MS
                producer.send(FrameMessage(stream, encode_jpeg(picture), "image/jpeg", ts_ms))
            if n == 0:
                damaged = encode_jpeg(picture)[:100]
                producer.send(FrameMessage(DAMAGED_STREAM, damaged, "image/jpeg", FIRST_TS_MS + 1))
        producer.flush()
