"""A question and a picture that leave the device unusable: each is refused for good, and nothing else is lost."""

import asyncio
from collections import Counter

import numpy as np
import pytest

from hermes_ray.config import KafkaSettings
from hermes_ray.engine.contracts import Answer, Question
from hermes_ray.errors import QuestionFailed
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.message import FrameMessage
from hermes_ray.video.codec import encode_png
from tests.integration.cluster.two_workers.faulty_worker import DEADLY_QUESTION
from tests.integration.cluster.two_workers.system import STEP_MS, TwoWorkers
from tests.integration.streams_seen import seen
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

STREAMS = ("risky-0", "risky-1", "risky-2")
"""One more than there are workers: one at least has another beside it."""
START_MS = 1_700_000_000_000
FRAMES = 10
DEADLY_FRAME = ("risky-1", 4)
QUESTION = Question("what happened ?", max_tokens=4)


def publish(system: TwoWorkers) -> None:
    """Noise, and one picture that is white all over."""
    noise = np.random.default_rng(1)
    for number in range(FRAMES):
        for stream, partition in zip(STREAMS, system.spare.waits, strict=False):
            pixels = noise.integers(0, 200, (48, 64, 3), dtype=np.uint8)
            if (stream, number) == DEADLY_FRAME:
                pixels = np.full_like(pixels, 255)
            picture = encode_png(pixels)
            system.send(FrameMessage(stream, picture, "image/png", START_MS + STEP_MS * number), partition)


async def ask(system: TwoWorkers, stream: str, question: Question) -> str:
    async for item in system.client.ask(stream, question, LIMIT_S, patience_s=LIMIT_S):
        if isinstance(item, Answer):
            return item.text
    raise AssertionError("no answer")


def dead_letters(kafka: KafkaSettings) -> list[DeadLetter]:
    """Of these streams."""
    topic = kafka.dead_letters_topic
    with PartitionConsumer(kafka) as consumer:
        ends = consumer.end_offsets([(topic, partition) for partition in consumer.partitions_for(topic)])
        consumer.assign(dict.fromkeys(ends, 0))
        letters: list[DeadLetter] = []
        while len(letters) < sum(ends.values()):
            letters += [DeadLetter.from_record(record) for record in consumer.poll(1.0, 100)]
    return [letter for letter in letters if (letter.record.key or b"").decode() in STREAMS]


async def test_a_picture_that_ends_the_worker_becomes_a_dead_letter_and_all_others_are_applied(system: TwoWorkers):
    publish(system)
    wanted = {stream: FRAMES - (stream == DEADLY_FRAME[0]) for stream in STREAMS}
    await seen(
        system.client,
        lambda streams: all(s in streams and streams[s].memory.frames_seen == n for s, n in wanted.items()),
    )
    letters = dead_letters(system.settings.kafka)
    assert [letter.reason for letter in letters] == ["frames-failed"]
    assert letters[0].record.key == DEADLY_FRAME[0].encode()
    assert "again and again" in letters[0].message


async def test_a_question_that_ends_the_worker_is_refused_and_those_beside_it_are_answered(system: TwoWorkers):
    truth = [await ask(system, stream, QUESTION) for stream in STREAMS]
    workers = {stream: (await system.client.locate(stream)).worker for stream in STREAMS}
    (fullest, _), *_ = Counter(workers.values()).most_common()
    victim = next(stream for stream, worker in workers.items() if worker == fullest)
    crash = Question(DEADLY_QUESTION, max_tokens=4)
    deadly = asyncio.create_task(ask(system, victim, crash))
    answers = []
    while not deadly.done():
        answers.append(await asyncio.gather(*(ask(system, stream, QUESTION) for stream in STREAMS)))
    assert all(answer == truth for answer in answers)
    with pytest.raises(QuestionFailed):
        await deadly
    with pytest.raises(QuestionFailed):
        await ask(system, victim, crash)
    assert [await ask(system, stream, QUESTION) for stream in STREAMS] == truth
