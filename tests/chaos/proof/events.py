"""Events through faults: topic and database hold at the end what an undisturbed engine finds in the same frames."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import KafkaSettings, Settings, StandingQuestion
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.transport.event import Event
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options
from tests.chaos.load.cameras import FPS, START_MS, picture
from tests.patience import LIMIT_S

_QUESTION = "is there a red car in view ?"
_PROBES = 12
_CLOSE = 1e-4
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events there were; none is missing, and none is there that should not be.

    Attributes:
        expected: that an undisturbed engine finds.
        published: records in the topic; what is beyond the expected ones came again, under the same ids.
    """

    expected: int
    published: int


def standing(model: str) -> dict[str, Any]:
    """Settings with a question that is told each time, one that comes and goes with the pictures, and a journal.

    Args:
        model: whose answers decide from which probability on pictures differ.
    """
    with StreamEngine.from_pretrained(model, device="cpu") as engine:
        shares = []
        for number in range(_PROBES):
            engine.ingest("probe", [picture(0, FPS * number)], [START_MS + 1000 * number]).result(LIMIT_S)
            answer = engine.ask("probe", Question(_QUESTION, options=("yes", "no"))).result(LIMIT_S)
            shares.append(answer.option_probabilities[0])
    middle = median(shares)
    return {
        "questions": [
            {"name": "each", "question": _QUESTION, "every_s": 5, "on": "match", "fire_at": 0, "clear_at": 0},
            {"name": "change", "question": _QUESTION, "every_frames": 3, "fire_at": middle, "clear_at": middle},
        ],
        "journal": {"streams": ["*"], "every_s": 10, "question": "what happened ?", "max_tokens": 6},
    }


async def make(client: ClusterClient, settings: Settings, workers: Sequence[str]) -> StandingQuestion:
    """Make a further question, and wait until the workers know of it; from here on its definition is in the store."""
    name = "made"
    standing = await client.add_standing_question(
        StandingQuestion(name=name, question=_QUESTION, every_s=7, on="match", fire_at=0, clear_at=0)
    )
    deadline_s = time.monotonic() + LIMIT_S
    for worker in workers:
        while (await call(worker, settings.cluster.namespace, "health", limit_s=LIMIT_S)).standing == 0:
            assert time.monotonic() < deadline_s, f"{worker} knows of no standing question"
            await asyncio.sleep(0.1)
    return standing.question


async def assert_complete(settings: Settings, expected: Mapping[str, Event], *made: StandingQuestion) -> Counted:
    """No event is missing, none is there that should not be, and whatever is there again is the same by its id.

    Where events are kept, the same holds for the database, which has each once.

    Args:
        settings: of the system, which has come to rest.
        expected: by id, what an undisturbed engine found in the same frames.
        made: questions that were made before the first frame.
    """
    found = await asyncio.to_thread(_published, settings.kafka, set(expected))
    assert {event.rule for event in expected.values()} == {"each", "change", "journal", *(one.name for one in made)}
    strangers = [event for event in found if event.id not in expected]
    assert not strangers, strangers
    for event in found:
        own = expected[event.id]
        assert (event.stream_id, event.rule, event.kind, event.frame) == (own.stream_id, own.rule, own.kind, own.frame)
        assert (event.captured_ms, event.since_ms, event.answer) == (own.captured_ms, own.since_ms, own.answer)
        assert abs((event.probability or 0) - (own.probability or 0)) < _CLOSE
    if settings.events.database is not None:
        kept = await asyncio.to_thread(_kept, Path(settings.events.database.removeprefix("sqlite:///")), set(expected))
        told = sorted((event.id, event.stream_id, event.answer, event.captured_ms) for event in expected.values())
        assert sorted(kept) == told
    return Counted(len(expected), len(found))


def _published(settings: KafkaSettings, wanted: set[str]) -> list[Event]:
    """What the topic holds, by Kafka's own consumer, once it holds all that is wanted and nothing more comes."""
    consumer: Any = KafkaConsumer(**connection_options(settings), enable_auto_commit=False)
    consumer.assign([TopicPartition(settings.events_topic, 0)])
    consumer.seek_to_beginning()
    found: list[Event] = []
    deadline_s = time.monotonic() + LIMIT_S
    try:
        while True:
            batch = [r for records in consumer.poll(timeout_ms=1000).values() for r in records]
            found += [_event(record) for record in batch]
            missing = wanted - {event.id for event in found}
            if not (batch or missing):
                return found
            assert time.monotonic() < deadline_s, f"{len(missing)} events are missing: {missing}"
    finally:
        consumer.close()


def _kept(file: Path, wanted: set[str]) -> list[tuple[str, str, str, int]]:
    """Id, stream, answer and capture time of every event in the database, by SQLite alone, once it has all."""
    query = "SELECT e.id, s.id, e.answer, e.captured_ms FROM events e JOIN streams s ON e.stream = s.number"
    deadline_s = time.monotonic() + LIMIT_S
    with closing(sqlite3.connect(file)) as database:
        while True:
            rows = database.execute(query).fetchall()
            missing = wanted - {row[0] for row in rows}
            if not missing:
                return rows
            assert time.monotonic() < deadline_s, f"{len(missing)} events are not kept: {missing}"
            time.sleep(_LOOK_S)


def _event(found: Any) -> Event:
    headers = tuple(found.headers)
    return Event.from_record(
        Record(found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, headers)
    )
