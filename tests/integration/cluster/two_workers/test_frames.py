"""What becomes of records: frames in memories, dead letters, and commits."""

import asyncio
import time
from collections import Counter

import pytest

from hermes_ray.cluster.control.bringup.cluster import ensure_cluster, wait_until_ready
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from tests.integration.cluster.two_workers.cameras import BROKEN, FRAMES, SELECTED, last_ms
from tests.integration.cluster.two_workers.system import TwoWorkers
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


def test_every_selected_frame_is_applied_once_over_both_workers(system: TwoWorkers):
    placed = Counter(status.location.worker for status in system.cameras.values())
    assert placed == {"memory-0": 2, "memory-1": 2}
    for stream_id, status in system.cameras.items():
        ingest = status.ingest
        assert ingest is not None
        assert ingest.frames_decoded == FRAMES
        assert (status.memory.frames_seen, ingest.frames_selected, ingest.frames_applied) == (SELECTED,) * 3
        assert status.memory.as_of_ms == last_ms(0)
        assert max(status.memory.kv_tokens_per_layer) <= status.memory.kv_prefix + 64
        assert status.lag_ms is not None
        assert status.lag_ms > 0
        assert ingest.dead_letters == (FRAMES if stream_id == BROKEN else 0)


def test_an_undecodable_record_is_kept_as_a_dead_letter_with_its_place_and_reason(system: TwoWorkers):
    kafka = system.settings.kafka
    topic = (kafka.dead_letters_topic, 0)
    with PartitionConsumer(kafka) as consumer:
        consumer.assign({topic: consumer.beginning_offsets([topic])[topic]})
        letters: list[DeadLetter] = []
        deadline = time.monotonic() + LIMIT_S
        while len(letters) < FRAMES or any(consumer.lag().values()):
            assert time.monotonic() < deadline, letters
            letters += [DeadLetter.from_record(record) for record in consumer.poll(0.5)]
    assert len(letters) == FRAMES
    assert {letter.reason for letter in letters} == {"undecodable-media"}
    assert {letter.record.key for letter in letters} == {BROKEN.encode()}
    assert all(letter.record.topic == kafka.frames_topic for letter in letters)
    assert len({letter.record.offset for letter in letters}) == FRAMES


async def test_what_is_applied_is_committed_for_lag_tools(system: TwoWorkers):
    records = sum(status.ingest.records for status in system.cameras.values() if status.ingest is not None)
    assert records == sum(system.ends.values()) == 2 * FRAMES + FRAMES + 2 + 2  # pictures, broken ones, segments
    topic = system.settings.kafka.frames_topic
    deadline = time.monotonic() + LIMIT_S
    with PartitionConsumer(system.settings.kafka) as consumer:
        while any((consumer.committed((topic, partition)) or 0) < end for partition, end in system.ends.items()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def test_bringing_the_cluster_up_again_changes_nothing(system: TwoWorkers):
    before = {s.stream_id: (s.memory, s.location) for s in await system.client.list_streams()}
    assert before.keys() >= system.cameras.keys()
    ensure_cluster(system.settings)
    wait_until_ready(system.settings, LIMIT_S)
    assert {s.stream_id: (s.memory, s.location) for s in await system.client.list_streams()} == before
