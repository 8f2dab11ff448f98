"""Records that must be refused, each for a known reason, and good frames between them."""

import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from kafka import KafkaProducer

from hermes_ray.config import Settings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.security import connection_options
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg, encode_png

STREAMS = tuple(f"cam-{number}" for number in range(4))
"""Send good frames too."""
DOUBTFUL = "doubtful"
"""Sends what may be decodable."""
MOST_ENCODED_BYTES = 150_000
"""``video.max_encoded_bytes`` that :func:`oversized` is above, and nothing else."""
_PER_GOOD = 25
"""Malformed records for each good frame."""
_START_MS = 1_700_000_000_000

PIXELS = np.random.default_rng(7).integers(0, 256, (48, 64, 3), dtype=np.uint8)
JPEG, PNG = encode_jpeg(PIXELS), encode_png(PIXELS)
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
    """All black, a bit for each pixel, so a few bytes hold any number of pixels."""
    rows = zlib.compress(bytes(1 + width // 8) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    payload = bytearray(JPEG)
    at = payload.index(b"\xff\xc0") + 5
    payload[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(payload)


BOMB = png_of_zeros(12_000, 12_000)  # 432 MB of pixels in RGB
PADDED = JPEG + bytes(200_000)


def headers(content_type: str = "image/jpeg", *others: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    return [("content-type", content_type.encode()), ("ts", b"%d" % _START_MS), *others]


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
            [("ts", b"%d" % _START_MS)],
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
        if number % _PER_GOOD == 0:
            stream = STREAMS[(number // _PER_GOOD) % len(STREAMS)]
            message = FrameMessage(stream, PNG, "image/png", _START_MS + 1000 * good[stream])
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
        message = FrameMessage(DOUBTFUL, bytes(payload), "image/jpeg", _START_MS + 1000 * number)
        producer.send(
            settings.kafka.frames_topic,
            key=DOUBTFUL.encode(),
            value=message.payload,
            headers=message.to_headers(),
            partition=1,
        )
    producer.flush(60)
    producer.close()
