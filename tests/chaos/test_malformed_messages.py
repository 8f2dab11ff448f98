"""Thousands of malformed records among good ones: every good frame applied once, every bad one a dead letter with its
reason, no process ended, and none that grows.

``HERMES_CHAOS_MALFORMED`` says how many; by default 5,000.
"""

import asyncio
import contextlib
import os
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.calls import fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.errors import HermesError
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg, encode_png
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

MALFORMED = int(os.environ.pop("HERMES_CHAOS_MALFORMED", "5000"))
STREAMS = tuple(f"cam-{number}" for number in range(4))
WARM_UP = 200
DOUBTFUL = "doubtful"
UNREADABLE = 5
PER_GOOD = 25
"""Malformed records for each good frame."""
START_MS = 1_700_000_000_000
MOST_GROWTH_BYTES = 200 * 1024 * 1024
"""Of the ingest process. One picture at the limit of ``video.max_pixels`` is 25 MB, before and after conversion."""

PIXELS = np.random.default_rng(7).integers(0, 256, (48, 64, 3), dtype=np.uint8)
JPEG, PNG = encode_jpeg(PIXELS), encode_png(PIXELS)
H264 = SegmentEncoder(64, 48, 5, container="h264").encode([PIXELS] * 5)
MP4 = SegmentEncoder(64, 48, 5, container="mp4").encode([PIXELS] * 5)


@dataclass(frozen=True)
class Malformed:
    """A record and the reason for which it must be refused."""

    reason: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


Make = Callable[[random.Random, bytes], Malformed]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_zeros(width: int, height: int) -> bytes:
    """All black, so a few bytes hold any number of pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    payload = bytearray(JPEG)
    at = payload.index(b"\xff\xc0") + 5
    payload[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(payload)


BOMB = png_of_zeros(12_000, 12_000)  # 432 MB of pixels
PADDED = JPEG + bytes(200_000)


def headers(content_type: str = "image/jpeg", *others: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    return [("content-type", content_type.encode()), ("ts", b"%d" % START_MS), *others]


def truncated(chance: random.Random, key: bytes) -> Malformed:
    whole, content_type = chance.choice([(JPEG, "image/jpeg"), (PNG, "image/png"), (MP4, "video/mp4")])
    return Malformed(
        "undecodable-media", key, whole[: chance.randrange(1, len(whole) * 9 // 10)], headers(content_type)
    )


def flipped(chance: random.Random, key: bytes) -> Malformed:
    """In a PNG, whose checksums tell."""
    payload = bytearray(PNG)
    payload[chance.randrange(45, len(payload) - 16)] ^= 1 << chance.randrange(8)
    return Malformed("undecodable-media", key, bytes(payload), headers("image/png"))


def noise(chance: random.Random, key: bytes) -> Malformed:
    content_type = chance.choice(["image/jpeg", "image/png", "video/mp4", "video/h264"])
    return Malformed("undecodable-media", key, chance.randbytes(chance.randrange(1, 5000)), headers(content_type))


def mislabelled(chance: random.Random, key: bytes) -> Malformed:
    value, content_type = chance.choice(
        [(JPEG, "image/png"), (PNG, "image/jpeg"), (PNG, "video/mp4"), (MP4, "image/png")]
    )
    return Malformed("undecodable-media", key, value, headers(content_type))


def unsupported(chance: random.Random, key: bytes) -> Malformed:
    content_type = chance.choice(
        ["text/html", "image/gif", "video/x-matroska", "", "a" * 5000, "\x00", "image/jpeg\r\n"]
    )
    return Malformed("unsupported-media", key, JPEG, headers(content_type))


def huge(chance: random.Random, key: bytes) -> Malformed:
    width, height = chance.choice([(65_000, 65_000), (65_000, 300), (4000, 4000)])
    return Malformed("media-too-large", key, jpeg_of_size(width, height), headers())


def bomb(_: random.Random, key: bytes) -> Malformed:
    return Malformed("media-too-large", key, BOMB, headers("image/png"))


def oversized(_: random.Random, key: bytes) -> Malformed:
    return Malformed("media-too-large", key, PADDED, headers())


def empty(chance: random.Random, key: bytes) -> Malformed:
    return Malformed("empty-payload", key, chance.choice([None, b""]), headers())


def wrong_header(chance: random.Random, key: bytes) -> Malformed:
    wrong = chance.choice(
        [
            [("content-type", b"\xff\xfe")],
            [("content-type", b"image/jpeg"), ("content-type", b"image/png")],
            [("ts", b"%d" % START_MS)],
            [("content-type", b"image/jpeg"), ("ts", chance.randbytes(8) + b"\x80")],
            [("content-type", b"image/jpeg"), ("ts", b"9" * 4000)],
            [("content-type", b"image/jpeg"), ("ts", b"-1")],
            headers("image/jpeg", ("seq", b"1e9")),
            headers("image/jpeg", ("hermes-version", b"2")),
            [*((f"x-{n}", chance.randbytes(200)) for n in range(100)), *headers("image/jpeg", ("seq", b""))],
        ]
    )
    return Malformed("invalid-header", key, JPEG, wrong)


def wrong_key(chance: random.Random, _: bytes) -> Malformed:
    keys = [None, b"", b"..", b"../../etc/passwd", b"cam 0", b"cam-0\n", b"\xff\xfe", b"k" * 129, b"k" * 20_000]
    return Malformed("invalid-stream-id", chance.choice([*keys, chance.randbytes(12) + b"\x80"]), JPEG, headers())


COMMON: list[Make] = [
    truncated,
    flipped,
    noise,
    mislabelled,
    unsupported,
    huge,
    oversized,
    empty,
    wrong_header,
    wrong_key,
]


def malformed(chance: random.Random) -> Malformed:
    key = chance.choice([*STREAMS, "nobody"]).encode()
    return (bomb if chance.random() < 0.004 else chance.choice(COMMON))(chance, key)


@pytest.fixture
def settings(ray_cluster: None, broker: Any, tmp_path: Path) -> Iterator[Settings]:
    settings = own_cluster(
        broker,
        memory={"slots": 6},
        kafka={"frames_partitions": 2},
        video={"target_fps": 10.0, "max_encoded_bytes": 150_000},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 2.0},
        cluster={"memory_workers": 1},
    )
    ensure_topics(settings.kafka)
    wait_until_ready(settings, LIMIT_S)
    yield settings
    shutdown_cluster(settings)


def publish(settings: Settings, count: int, chance: random.Random, good: Counter[str]) -> Counter[str]:
    """That many malformed records among good ones.

    Args:
        settings: where to.
        count: how many malformed ones.
        chance: which.
        good: frames that each stream has sent; those sent here are added.

    Returns:
        The reasons for which they must be refused.
    """
    reasons: Counter[str] = Counter()
    producer = KafkaProducer(**connection_options(settings.kafka), linger_ms=20)
    topic = settings.kafka.frames_topic
    for number in range(count):
        bad = malformed(chance)
        reasons[bad.reason] += 1
        producer.send(topic, key=bad.key, value=bad.value, headers=bad.headers, partition=number % 2)
        if number % PER_GOOD == 0:
            stream = STREAMS[(number // PER_GOOD) % len(STREAMS)]
            message = FrameMessage(stream, PNG, "image/png", START_MS + 1000 * good[stream])
            producer.send(
                topic,
                key=stream.encode(),
                value=message.payload,
                headers=message.to_headers(),
                partition=STREAMS.index(stream) % 2,
            )
            good[stream] += 1
    producer.flush(120)
    producer.close()
    return reasons


class NotUtf8(str):
    """A header name that kafka-python cannot read."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def publish_unreadable(settings: Settings, count: int) -> None:
    """Each in a batch of its own, since the rest of its batch cannot be read either."""
    producer = KafkaProducer(**connection_options(settings.kafka))
    for _ in range(count):
        name = NotUtf8("x")
        producer.send(settings.kafka.frames_topic, value=JPEG, headers=[(name, b"y")], partition=0).get(10)
    producer.close()


def publish_doubtful(settings: Settings, count: int, chance: random.Random) -> None:
    """JPEGs with flipped bits, of which some can still be decoded, in a stream of their own."""
    producer = KafkaProducer(**connection_options(settings.kafka))
    for number in range(count):
        payload = bytearray(JPEG)
        for _ in range(chance.randrange(1, 4)):
            payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
        message = FrameMessage(DOUBTFUL, bytes(payload), "image/jpeg", START_MS + 1000 * number)
        producer.send(
            settings.kafka.frames_topic,
            key=DOUBTFUL.encode(),
            value=message.payload,
            headers=message.to_headers(),
            partition=1,
        )
    producer.flush(60)
    producer.close()


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


async def test_malformed_records_cost_no_good_frame_no_process_and_no_memory(settings: Settings):
    chance = random.Random(5)
    client = await ClusterClient.connect(settings)
    good: Counter[str] = Counter()
    reasons = publish(settings, WARM_UP, chance, good)
    await applied(client, good)
    before = {name: pid_and_bytes(settings, name) for name in ("ingest-0", "memory-0")}

    started_s = time.monotonic()
    publish_doubtful(settings, MALFORMED // 20, chance)
    publish_unreadable(settings, UNREADABLE)
    reasons += publish(settings, MALFORMED, chance, good)
    reasons["unreadable-record"] = UNREADABLE
    streams = await applied(client, good)
    doubtful = streams[DOUBTFUL].ingest
    assert doubtful is not None
    found = letters(settings, reasons.total() + MALFORMED // 20 - doubtful.frames_decoded)
    after = {name: pid_and_bytes(settings, name) for name in before}
    growth = {name: (after[name][1] - before[name][1]) / 2**20 for name in before}
    print(f"{MALFORMED} malformed records in {time.monotonic() - started_s:.0f} s; growth in MiB: {growth}")

    assert {stream: streams[stream].memory.frames_seen for stream in STREAMS} == dict(good)
    refused = [letter for letter in found if letter.record.key == DOUBTFUL.encode()]
    assert len(refused) + doubtful.frames_decoded == MALFORMED // 20
    assert Counter(letter.reason for letter in found if letter not in refused) == reasons
    places = Counter((letter.record.partition, letter.record.offset) for letter in found)
    assert max(places.values()) == 1
    assert {name: pid for name, (pid, _) in after.items()} == {name: pid for name, (pid, _) in before.items()}
    assert after["ingest-0"][1] - before["ingest-0"][1] < MOST_GROWTH_BYTES
