"""A whole cluster with two memory workers, a real broker and a real engine with random weights."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import ensure_cluster, shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, Question
from hermes_ray.errors import (
    EventsUnavailable,
    FrameGone,
    InvalidQuestion,
    QuestionTimeout,
    UnknownStream,
    WorkerUnavailable,
)
from hermes_ray.events.kept import EventFilter, KeptEvent
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.event import Event
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.publisher import RecordPublisher
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S
from tests.unit.events.conftest import match

pytestmark = pytest.mark.integration

STREAMS = ("cam-0", "cam-1", "cam-2", "cam-3")
START_MS = 1_700_000_000_000
FRAMES = 12
FPS = 4
SELECTED = FRAMES // 2  # sampled at 2 fps
LAST_MS = START_MS + (FRAMES - 2) * 1000 // FPS


@pytest.fixture(scope="module")
def settings(ray_cluster, broker) -> Settings:
    return own_cluster(
        broker,
        memory={"slots": 4},
        kafka={"frames_partitions": 3},
        video={"target_fps": 2.0},
        snapshots={"interval_s": 1.0},
        events={"database": "auto"},
        cluster={
            "memory_workers": 2,
            "ingest_workers": 1,
            "max_inflight_frames": 8,
        },
    )


@pytest.fixture(scope="module")
def published(settings) -> Settings:
    """A running cluster, and a dozen frames of each stream in Kafka: pictures of two, segments of the others."""
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    with FrameProducer(settings.kafka) as producer:
        for number, stream_id in enumerate(STREAMS):
            for message in messages(stream_id, seed=number):
                producer.send(message)
                if stream_id == "cam-1":
                    producer.send(FrameMessage("cam-1", message.payload[:50], "image/jpeg", message.ts_ms))
    yield settings
    shutdown_cluster(settings)


def messages(stream_id: str, seed: int) -> list[FrameMessage]:
    camera = SimulatedCamera(seed, fps=FPS, width=96, height=64, start_ts_ms=START_MS, seconds=FRAMES / FPS)
    frames = list(camera.frames())
    if stream_id in ("cam-0", "cam-1"):
        return [FrameMessage(stream_id, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms) for frame in frames]
    encoder = SegmentEncoder(96, 64, FPS, container="mp4" if stream_id == "cam-2" else "h264")
    halves = (frames[: FRAMES // 2], frames[FRAMES // 2 :])
    return [
        FrameMessage(stream_id, encoder.encode([f.image for f in half]), encoder.content_type, half[0].ts_ms)
        for half in halves
    ]


async def settled(client: ClusterClient, frames_seen: int = SELECTED) -> dict[str, StreamStatus]:
    """The streams, once each has applied that many frames and its counts say so."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        streams = {s.stream_id: s for s in await client.list_streams() if s.state.can_be_asked}
        done = [s for s in streams.values() if s.memory.frames_seen >= frames_seen and s.ingest and s.ingest.records]
        if len(done) == len(STREAMS) and all(s.ingest.frames_applied >= frames_seen for s in done):
            return streams
        assert time.monotonic() < deadline, f"not applied in {LIMIT_S} s: {streams}"
        await asyncio.sleep(0.2)


async def test_every_selected_frame_is_applied_once_over_both_workers(published):
    client = await ClusterClient.connect(published)
    streams = await settled(client)
    assert Counter(status.location.worker for status in streams.values()) == {"memory-0": 2, "memory-1": 2}
    for stream_id, status in streams.items():
        ingest = status.ingest
        assert ingest.frames_decoded == FRAMES
        assert (status.memory.frames_seen, ingest.frames_selected, ingest.frames_applied) == (SELECTED,) * 3
        assert status.memory.as_of_ms == LAST_MS
        assert max(status.memory.kv_tokens_per_layer) <= status.memory.kv_prefix + 64
        assert status.lag_ms > 0
        assert ingest.dead_letters == (FRAMES if stream_id == "cam-1" else 0)


async def test_an_undecodable_record_is_kept_as_a_dead_letter_with_its_place_and_reason(published):
    client = await ClusterClient.connect(published)
    await settled(client)
    topic = (published.kafka.dead_letters_topic, 0)
    with PartitionConsumer(published.kafka) as consumer:
        consumer.assign({topic: consumer.beginning_offsets([topic])[topic]})
        letters: list[DeadLetter] = []
        deadline = time.monotonic() + LIMIT_S
        while len(letters) < FRAMES or any(consumer.lag().values()):
            assert time.monotonic() < deadline, letters
            letters += [DeadLetter.from_record(record) for record in consumer.poll(0.5)]
    assert len(letters) == FRAMES
    assert {letter.reason for letter in letters} == {"undecodable-media"}
    assert {letter.record.key for letter in letters} == {b"cam-1"}
    assert all(letter.record.topic == published.kafka.frames_topic for letter in letters)
    assert len({letter.record.offset for letter in letters}) == FRAMES


async def test_what_is_applied_is_committed_for_lag_tools(published):
    client = await ClusterClient.connect(published)
    await settled(client)
    records = sum(status.ingest.records for status in (await settled(client)).values())
    assert records == 2 * FRAMES + FRAMES + 2 + 2  # pictures, broken pictures, segments
    deadline = time.monotonic() + LIMIT_S
    with PartitionConsumer(published.kafka) as consumer:
        while sum(consumer.committed((published.kafka.frames_topic, p)) or 0 for p in range(3)) != records:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_an_answer_comes_token_by_token_and_says_what_it_rests_on(published):
    client = await ClusterClient.connect(published)
    await settled(client)
    for stream_id in STREAMS:
        items = [item async for item in client.ask(stream_id, Question("What is there?", max_tokens=5), LIMIT_S)]
        *tokens, answer = items
        assert tokens and all(isinstance(token, AnswerToken) for token in tokens)
        assert [token.index for token in tokens] == list(range(len(tokens)))
        assert isinstance(answer, Answer)
        assert answer.text == "".join(token.text for token in tokens)
        assert (answer.frames_seen, answer.as_of_ms) == (SELECTED, LAST_MS)


async def test_questions_change_no_memory_and_may_be_asked_together(published):
    client = await ClusterClient.connect(published)
    before = await settled(client)

    async def text() -> str:
        return [item async for item in client.ask("cam-0", Question("What is there?", max_tokens=6), LIMIT_S)][-1].text

    answers = await asyncio.gather(*(text() for _ in range(6)))
    assert len(set(answers)) == 1
    assert (await client.stream("cam-0")).memory == before["cam-0"].memory


async def test_leaving_an_answer_frees_its_place_in_the_engine(published):
    client = await ClusterClient.connect(published)
    streams = await settled(client)
    worker = ray.get_actor(streams["cam-0"].location.worker, namespace=published.cluster.namespace)
    answered = (await worker.engine_stats.remote()).questions_answered
    asking = client.ask("cam-0", Question("What is there?", max_tokens=500, temperature=1.0), LIMIT_S)
    await anext(asking)
    await asking.aclose()
    deadline = time.monotonic() + LIMIT_S
    while (stats := await worker.engine_stats.remote()).questions_active:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert stats.questions_answered == answered


class Router:
    """Asks as a replica of Serve does: one client for all requests, each a call that may be cancelled."""

    async def connect(self, settings: Settings) -> None:
        self.client = await ClusterClient.connect(settings)
        self.first_tokens: list[str] = []

    async def ask(self, stream_id: str, question: Question) -> Answer:
        async for item in self.client.ask(stream_id, question, LIMIT_S):
            if isinstance(item, Answer):
                return item
            if item.index == 0:
                self.first_tokens.append(stream_id)
        raise AssertionError("no answer")

    async def answering(self) -> list[str]:
        return self.first_tokens


async def test_whoever_hangs_up_ends_no_answer_but_his_own(published):
    streams = await settled(await ClusterClient.connect(published))
    workers = {stream_id: streams[stream_id].location.worker for stream_id in STREAMS}
    beside = next(s for s in STREAMS[1:] if workers[s] == workers[STREAMS[0]])
    router = ray.remote(Router).remote()
    ray.get(router.connect.remote(published))
    long = Question("What is there?", max_tokens=400, temperature=1.0, seed=1)
    leaving = router.ask.remote(STREAMS[0], long)
    await _until(router, [STREAMS[0]])
    staying = router.ask.remote(beside, long)
    await _until(router, [STREAMS[0], beside])
    ray.cancel(leaving)
    with pytest.raises(ray.exceptions.TaskCancelledError):
        await leaving
    assert isinstance(await staying, Answer)
    ray.kill(router)


async def _until(router, first_tokens: list[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while ray.get(router.answering.remote()) != first_tokens:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_errors_come_out_typed(published):
    client = await ClusterClient.connect(published)
    await settled(client)
    with pytest.raises(UnknownStream):
        await client.stream("nobody")
    with pytest.raises(UnknownStream):
        await anext(client.ask("nobody", Question("Who?"), 5))
    with pytest.raises(InvalidQuestion):
        await anext(client.ask("cam-0", Question("  "), 5))
    with pytest.raises(QuestionTimeout):
        async for _ in client.ask("cam-0", Question("Tell me all", max_tokens=500, temperature=1.0), 0.01):
            pass


async def test_bringing_the_cluster_up_again_changes_nothing(published):
    client = await ClusterClient.connect(published)
    before = await settled(client)
    ensure_cluster(published)
    wait_until_ready(published, LIMIT_S)
    after = await settled(await ClusterClient.connect(published))
    assert {s: status.memory for s, status in after.items()} == {s: status.memory for s, status in before.items()}


def publish_later(settings: Settings, later_s: int) -> None:
    """Another dozen frames of every stream, that many seconds after the first."""
    with FrameProducer(settings.kafka) as producer:
        for number, stream_id in enumerate(STREAMS):
            for message in messages(stream_id, seed=number):
                producer.send(replace(message, ts_ms=message.ts_ms + later_s * 1000))


async def all_pictures(client: ClusterClient, streams: dict[str, StreamStatus]) -> dict[str, dict[int, FramePicture]]:
    """What every frame that is not forgotten looked like, by stream and number."""
    found: dict[str, dict[int, FramePicture]] = {stream: {} for stream in streams}
    for stream, status in streams.items():
        for frame in range(status.memory.frames_seen):
            try:
                found[stream][frame] = await client.picture(stream, frame)
            except FrameGone:
                continue
    return found


def kill(settings: Settings, actor: str) -> None:
    ray.kill(ray.get_actor(actor, namespace=settings.cluster.namespace), no_restart=False)


async def until(condition: Callable[[dict[str, StreamStatus]], bool], client: ClusterClient) -> dict[str, StreamStatus]:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            streams = {s.stream_id: s for s in await client.list_streams() if s.state.can_be_asked}
            if condition(streams):
                return streams
        except WorkerUnavailable:
            streams = {}
        assert time.monotonic() < deadline, f"not in {LIMIT_S} s: {await client.readiness()} {streams}"
        await asyncio.sleep(0.2)


def all_reached(as_of_ms: int) -> Callable[[dict[str, StreamStatus]], bool]:
    return lambda streams: len(streams) == 4 and all(s.memory.as_of_ms == as_of_ms for s in streams.values())


async def test_a_killed_coordinator_comes_back_knowing_every_stream(published):
    client = await ClusterClient.connect(published)
    before = await settled(client)
    kill(published, "coordinator")
    after = await until(all_reached(LAST_MS), client)
    assert {s: status.location for s, status in after.items()} == {s: status.location for s, status in before.items()}


async def test_a_killed_ingest_worker_goes_on_where_it_was_and_repeats_no_frame(published):
    client = await ClusterClient.connect(published)
    before = await settled(client)
    kill(published, "ingest-0")
    publish_later(published, later_s=60)
    after = await until(all_reached(LAST_MS + 60_000), client)
    assert {s.memory.frames_seen - before[s.stream_id].memory.frames_seen for s in after.values()} == {SELECTED}


async def test_a_killed_memory_workers_streams_come_back_under_a_new_epoch_with_their_memories(published):
    client = await ClusterClient.connect(published)
    before = await settled(client)
    pictures = await all_pictures(client, before)
    kill(published, "memory-0")
    publish_later(published, later_s=120)
    after = await until(all_reached(LAST_MS + 120_000), client)
    for stream_id, status in after.items():
        if before[stream_id].location.worker == "memory-0":  # whoever has them now
            assert status.location.epoch > before[stream_id].location.epoch
        else:
            assert status.location.worker == before[stream_id].location.worker
        assert status.memory.frames_seen == before[stream_id].memory.frames_seen + SELECTED
        assert [item async for item in client.ask(stream_id, Question("And now?", max_tokens=3), LIMIT_S)]
    shown = await all_pictures(client, after)  # from the snapshot, and made again of what was read again
    for stream_id, of_stream in shown.items():
        assert tuple(of_stream) == (await client.memory_map(stream_id)).frames
    old = [(stream, frame) for stream, of_stream in pictures.items() for frame in of_stream if frame in shown[stream]]
    assert old
    assert all(shown[stream][frame] == pictures[stream][frame] for stream, frame in old)


async def test_events_are_kept_while_their_keeper_dies_and_go_with_their_stream(published):
    client = await ClusterClient.connect(published)
    await settled(client)
    publish_events(published, match(1, stream="cam-0"), match(2, stream="cam-1"))
    assert [kept.event.frame for kept in await events_until(client, 2)] == [2, 1]
    kill(published, "event-sink")
    publish_events(published, match(2, stream="cam-1"), match(3, stream="cam-1"))
    assert [kept.event.frame for kept in await events_until(client, 3)] == [3, 2, 1]
    deadline = time.monotonic() + LIMIT_S
    while not (readiness := await client.readiness()).ready:  # a worker that a test before has killed loads its model
        assert time.monotonic() < deadline, readiness
        await asyncio.sleep(0.2)
    erased = await client.erase("cam-1")
    assert erased.left_on is None
    assert [kept.event.frame for kept in await events_until(client, 1)] == [1]
    publish_events(published, match(4, stream="gone"))
    await events_until(client, 2)
    assert (await client.erase("gone")).left_on is None  # a stream of which nothing else is left
    with pytest.raises(UnknownStream):
        await client.erase("gone")
    stats = (await client.stats()).events
    assert stats is not None
    assert stats.up


def publish_events(settings: Settings, *events: Event) -> None:
    publisher = RecordPublisher(settings.kafka)
    for event in events:
        key, value, headers = event.to_record()
        publisher.send(settings.kafka.events_topic, key=key, value=value, headers=headers).result(LIMIT_S)
    publisher.close()


async def events_until(client: ClusterClient, count: int) -> Sequence[KeptEvent]:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            found = (await client.events.find(EventFilter(), 100, None)).events
        except EventsUnavailable:
            found = ()
        if len(found) == count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} events after {LIMIT_S} s: {await client.readiness()}"
        await asyncio.sleep(0.2)
