"""One memory worker and one ingest worker that are sent more than they can use.

Many malformed records among good ones: every good frame is applied once, every bad one becomes a dead letter with its
reason, no process ends, and none grows. ``HERMES_CHAOS_MALFORMED`` says how many: 1,000, or 5,000 with ``make chaos``.

More streams than slots, asked at random while frames come: the others wait in host memory or on disk.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.engine.contracts import EngineStats
from hermes_ray.errors import HermesError
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.chaos.load import malformed
from tests.chaos.load.cameras import Cameras
from tests.chaos.load.malformed import DOUBTFUL
from tests.chaos.load.users import ask
from tests.chaos.proof import commits
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME, GivenAnswer, assert_in_order, selected, undisturbed
from tests.chaos.proof.watching import Watch, watching
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

MALFORMED = int(os.environ.pop("HERMES_CHAOS_MALFORMED", "1000"))
WARM_UP = 200
UNREADABLE = 5
MOST_GROWTH_BYTES = 200 * 1024 * 1024
"""Of the ingest process. One picture at the limit of ``video.max_pixels`` is 25 MB, before and after conversion."""

SLOTS, HOST_STREAMS = 3, 1
CROWD = tuple(f"crowd-{number}" for number in range(2 * SLOTS))
ROUND_S = 0.5
QUESTIONS = 24
AT_ONCE = 3


@pytest.fixture(scope="module")
def spill_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spill")


@pytest.fixture(scope="module")
def settings(
    ray_cluster: None, broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory, spill_directory: Path
) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        memory={"slots": SLOTS, "host_streams": HOST_STREAMS, "spill_directory": str(spill_directory)},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 2},
        video={"target_fps": 2.0, "max_encoded_bytes": malformed.MOST_ENCODED_BYTES},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 2.0},
        cluster={"memory_workers": 1},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def pid_and_bytes(settings: Settings, name: str) -> tuple[int, int]:
    """The process id and resident memory of a worker."""
    handle = find_actor(name, settings.cluster.namespace)
    pid = fetch(handle.__ray_call__.remote(lambda _: os.getpid()), name, timeout_s=30)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pid, pages * os.sysconf("SC_PAGE_SIZE")


async def applied(client: ClusterClient, good: Counter[str]) -> dict[str, StreamStatus]:
    deadline = time.monotonic() + LIMIT_S
    streams: dict[str, StreamStatus] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(HermesError):
            streams = {status.stream_id: status for status in await client.list_streams()}
        if all(s in streams and streams[s].memory.frames_seen >= count for s, count in good.items()):
            return streams
        await asyncio.sleep(0.5)
    raise AssertionError(f"expected {good}, seen {streams}")


def letters(settings: Settings, count: int) -> list[DeadLetter]:
    """All dead letters, once there are that many."""
    topic = (settings.kafka.dead_letters_topic, 0)
    found: list[DeadLetter] = []
    deadline = time.monotonic() + LIMIT_S
    with PartitionConsumer(settings.kafka) as consumer:
        consumer.assign({topic: 0})
        while len(found) < count and time.monotonic() < deadline:
            found += [DeadLetter.from_record(record) for record in consumer.poll(0.5)]
        return found + [DeadLetter.from_record(record) for record in consumer.poll(1.0)]


async def test_malformed_records_cost_no_good_frame_no_process_and_no_memory(settings: Settings) -> None:
    chance = random.Random(5)
    client = await ClusterClient.connect(settings)
    good: Counter[str] = Counter()
    reasons = malformed.publish(settings, WARM_UP, chance, good)
    await applied(client, good)
    before = {name: pid_and_bytes(settings, name) for name in ("ingest-0", "memory-0")}

    started_s = time.monotonic()
    malformed.publish_doubtful(settings, MALFORMED // 20, chance)
    malformed.publish_unreadable(settings, UNREADABLE)
    reasons += malformed.publish(settings, MALFORMED, chance, good)
    reasons["unreadable-record"] = UNREADABLE
    streams = await applied(client, good)
    doubtful = streams[DOUBTFUL].ingest
    assert doubtful is not None
    found = letters(settings, reasons.total() + MALFORMED // 20 - doubtful.frames_decoded)
    after = {name: pid_and_bytes(settings, name) for name in before}
    growth = {name: (after[name][1] - before[name][1]) / 2**20 for name in before}
    print(f"{MALFORMED} malformed records in {time.monotonic() - started_s:.0f} s; growth in MiB: {growth}")

    assert {stream: streams[stream].memory.frames_seen for stream in malformed.STREAMS} == dict(good)
    refused = [letter for letter in found if letter.record.key == DOUBTFUL.encode()]
    assert len(refused) + doubtful.frames_decoded == MALFORMED // 20
    assert Counter(letter.reason for letter in found if letter not in refused) == reasons
    places = Counter((letter.record.partition, letter.record.offset) for letter in found)
    assert max(places.values()) == 1
    assert {name: pid for name, (pid, _) in after.items()} == {name: pid for name, (pid, _) in before.items()}
    assert after["ingest-0"][1] - before["ingest-0"][1] < MOST_GROWTH_BYTES


def all_compacted(watch: Watch) -> bool:
    return all(stream in watch.latest and watch.latest[stream].memory.compactions for stream in CROWD)


async def ask_at_random(client: ClusterClient, chance: random.Random, watch: Watch) -> list[GivenAnswer]:
    """Ask until there were questions enough, and long enough for every memory to be compacted."""
    answers: list[GivenAnswer] = []
    while len(answers) < QUESTIONS // AT_ONCE or not all_compacted(watch):
        answers.append(await ask(client, chance.choice(CROWD)))
    return answers


def engine_stats(settings: Settings) -> EngineStats:
    worker = find_actor("memory-0", settings.cluster.namespace)
    return fetch(worker.engine_stats.remote(), "memory-0", timeout_s=60)


def files_in(directory: Path) -> int:
    return sum(1 for _ in directory.glob("*/*"))


async def test_streams_without_a_slot_are_answered_and_remembered_as_if_each_had_one(
    settings: Settings, spill_directory: Path
) -> None:
    client = await ClusterClient.connect(settings)
    async with watching(client) as watch:
        with Cameras(settings, CROWD, ROUND_S, watch.newest_ms) as cameras:
            await watch.until_applied(dict.fromkeys(CROWD, 0))
            askers = (ask_at_random(client, random.Random(seed), watch) for seed in range(AT_ONCE))
            answers = [answer for some in await asyncio.gather(*askers) for answer in some]
            await watch.until_all_go_on(cameras.newest_ms())
            stats = await asyncio.to_thread(engine_stats, settings)
            on_disk = await asyncio.to_thread(files_in, spill_directory)
        frames = {stream: selected(settings, messages) for stream, messages in cameras.published.items()}
        streams = await watch.until_seen({stream: len(kept) for stream, kept in frames.items()})

    assert (stats.slots_used, stats.streams_parked) == (SLOTS, len(streams) - SLOTS)
    assert on_disk > 0
    assert {s: streams[s].memory.frames_seen for s in CROWD} == {s: len(kept) for s, kept in frames.items()}
    assert_in_order(frames, ((s, sight.frames_seen, sight.as_of_ms) for s in CROWD for sight in watch.sights[s]))
    await asyncio.to_thread(commits.until_all_committed, settings, cameras)
    with undisturbed(settings, len(CROWD)) as oracle:
        assert await oracle.assert_equal(frames, answers) >= QUESTIONS
