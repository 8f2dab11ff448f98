"""A question and a picture that leave the device unusable: each is refused for good, and nothing else is lost."""

import asyncio
from typing import Any

import numpy as np
import pytest
import ray

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.memory_worker.actor import StreamMemoryActor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.protocol import memory_worker_name
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import ClusterError, QuestionFailed, UnknownStream
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import encode_png
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = ("cam-0", "cam-1", "cam-2")
START_MS = 1_700_000_000_000
FRAMES = 10
DEADLY_FRAME = ("cam-1", 4)
DEADLY_QUESTION = Question("crash", max_tokens=4)
QUESTION = Question("what happened ?", max_tokens=4)


def faulty_worker() -> type[StreamMemoryActor]:
    """A memory worker whose device becomes unusable at one question and at a picture that is white all over."""

    # Defined here so that Ray sends it to its processes as it is.
    class FaultyWorker(StreamMemoryActor):
        def __init__(self, name: str, settings: Settings, torch_threads: int) -> None:
            from hermes_ray.engine import engine as module
            from hermes_ray.models import load

            class Device:
                def __init__(self, adapter):
                    self._adapter = adapter

                def __getattr__(self, attribute):
                    return getattr(self._adapter, attribute)

                def encode(self, groups):
                    blocks = self._adapter.encode(groups)
                    if any(bool((picture == picture.max()).all()) for group in groups for picture in group.pixels):
                        raise RuntimeError("CUDA error: device-side assert triggered")
                    return blocks

                def question(self, text, *rest):
                    if text == "crash":
                        raise RuntimeError("CUDA error: an illegal memory access was encountered")
                    return self._adapter.question(text, *rest)

            module.load = lambda *arguments, **options: Device(load(*arguments, **options))
            super().__init__(name, settings, torch_threads)

    return FaultyWorker


@pytest.fixture(scope="module")
def settings(ray_cluster, broker, tmp_path_factory):
    settings = own_cluster(
        broker,
        memory={"slots": 4},
        kafka={"frames_partitions": 3},
        video={"target_fps": 2.0},
        snapshots={"interval_s": 1.0, "url": str(tmp_path_factory.mktemp("snapshots"))},
        cluster={"memory_workers": 1, "ingest_workers": 1},
    )
    name = memory_worker_name(0)
    options: dict[str, Any] = {
        "name": name,
        "namespace": settings.cluster.namespace,
        "lifetime": "detached",
        "max_restarts": -1,
    }
    actor = ray.remote(concurrency_groups=StreamMemoryActor.concurrency_groups(settings))(faulty_worker())
    actor.options(num_cpus=0.5, **options).remote(name, settings, 1)  # which the Coordinator finds and takes
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def publish(settings: Settings) -> None:
    noise = np.random.default_rng(1)
    with FrameProducer(settings.kafka) as producer:
        for number in range(FRAMES):
            for stream in STREAMS:
                pixels = noise.integers(0, 200, (48, 64, 3), dtype=np.uint8)
                if (stream, number) == DEADLY_FRAME:
                    pixels = np.full_like(pixels, 255)
                producer.send(FrameMessage(stream, encode_png(pixels), "image/png", START_MS + number * 500))


async def frames_seen(client: ClusterClient) -> dict[str, int]:
    seen = {}
    for stream in STREAMS:
        try:
            seen[stream] = (await client.stream(stream)).memory.frames_seen
        except (ClusterError, UnknownStream):
            seen[stream] = 0
    return seen


async def wait_for_frames(client: ClusterClient) -> None:
    wanted = {stream: FRAMES - (stream == DEADLY_FRAME[0]) for stream in STREAMS}
    async with asyncio.timeout(LIMIT_S):
        while True:
            seen = await frames_seen(client)
            if seen == wanted:
                return
            await asyncio.sleep(0.2)


async def ask(client: ClusterClient, stream: str, question: Question) -> str:
    async for item in client.ask(stream, question, LIMIT_S, patience_s=LIMIT_S):
        if isinstance(item, Answer):
            return item.text
    raise AssertionError("no answer")


def dead_letters(settings: Settings) -> list[DeadLetter]:
    topic = settings.kafka.dead_letters_topic
    with PartitionConsumer(settings.kafka) as consumer:
        ends = consumer.end_offsets([(topic, partition) for partition in consumer.partitions_for(topic)])
        consumer.assign(dict.fromkeys(ends, 0))
        letters: list[DeadLetter] = []
        while len(letters) < sum(ends.values()):
            letters += [DeadLetter.from_record(record) for record in consumer.poll(1.0, 100)]
    return letters


async def test_a_picture_that_ends_the_worker_becomes_a_dead_letter_and_all_others_are_applied(settings):
    client = await ClusterClient.connect(settings)
    publish(settings)
    await wait_for_frames(client)
    letters = dead_letters(settings)
    assert [letter.reason for letter in letters] == ["frames-failed"]
    assert letters[0].record.key == DEADLY_FRAME[0].encode()
    assert "again and again" in letters[0].message


async def test_a_question_that_ends_the_worker_is_refused_and_those_beside_it_are_answered(settings):
    client = await ClusterClient.connect(settings)
    truth = [await ask(client, stream, QUESTION) for stream in STREAMS]
    deadly = asyncio.create_task(ask(client, "cam-0", DEADLY_QUESTION))
    answers = []
    while not deadly.done():
        answers.append(await asyncio.gather(*(ask(client, stream, QUESTION) for stream in STREAMS)))
    assert all(answer == truth for answer in answers)
    with pytest.raises(QuestionFailed):
        await deadly
    with pytest.raises(QuestionFailed):
        await ask(client, "cam-0", DEADLY_QUESTION)
    assert [await ask(client, stream, QUESTION) for stream in STREAMS] == truth
