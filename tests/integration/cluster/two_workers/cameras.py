"""Four cameras, of which the system is shown some frames at its beginning: pictures of two, segments of the others."""

from collections.abc import Collection, Mapping

from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.config import Settings
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.video.codec import SegmentEncoder, encode_jpeg
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.integration.streams_seen import Streams, seen

CAMERAS = ("cam-0", "cam-1", "cam-2", "cam-3")
BROKEN = "cam-1"
"""Half of what it sends first cannot be decoded."""
FRAMES = 12
FPS = 4
SELECTED = FRAMES // 2
"""Sampled at two a second."""
_START_MS = 1_700_000_000_000
_ROUND_MS = 60_000


def show(settings: Settings, number: int) -> dict[int, int]:
    """Publish a dozen frames of every camera, a minute later with every number; by partition, where they end."""
    sent = []
    with FrameProducer(settings.kafka) as producer:
        for seed, stream_id in enumerate(CAMERAS):
            for message in _messages(stream_id, seed, _START_MS + number * _ROUND_MS):
                sent.append(producer.send(message))
                if (stream_id, number) == (BROKEN, 0):
                    sent.append(producer.send(FrameMessage(BROKEN, message.payload[:50], "image/jpeg", message.ts_ms)))
    ends: dict[int, int] = {}
    for delivery in (future.result() for future in sent):
        ends[delivery.partition] = max(ends.get(delivery.partition, 0), delivery.offset + 1)
    return ends


def last_ms(number: int) -> int:
    """Capture time of the newest frame that sampling keeps of what :func:`show` published."""
    return _START_MS + number * _ROUND_MS + (FRAMES - 2) * 1000 // FPS


async def first_applied(client: ClusterClient) -> Mapping[str, StreamStatus]:
    """The cameras, once the frames shown first are in their memories and the counts of ingest say so."""

    def are_there(streams: Streams) -> bool:
        counts = [status.ingest for status in _of_cameras(streams).values() if status.ingest is not None]
        return len(counts) == len(CAMERAS) and all(c.frames_applied >= SELECTED and c.records for c in counts)

    return _of_cameras(await seen(client, are_there))


async def reached(client: ClusterClient, as_of_ms: int, cameras: Collection[str]) -> Mapping[str, StreamStatus]:
    """These cameras, once the newest frame of each is of that moment."""

    def have(streams: Streams) -> bool:
        return all(name in streams and streams[name].memory.as_of_ms == as_of_ms for name in cameras)

    streams = await seen(client, have)
    return {name: streams[name] for name in cameras}


def _messages(stream_id: str, seed: int, start_ms: int) -> list[FrameMessage]:
    camera = SimulatedCamera(seed, fps=FPS, width=96, height=64, start_ts_ms=start_ms, seconds=FRAMES / FPS)
    frames = list(camera.frames())
    if stream_id in ("cam-0", "cam-1"):
        return [FrameMessage(stream_id, encode_jpeg(frame.image), "image/jpeg", frame.ts_ms) for frame in frames]
    encoder = SegmentEncoder(96, 64, FPS, container="mp4" if stream_id == "cam-2" else "h264")
    halves = (frames[: FRAMES // 2], frames[FRAMES // 2 :])
    return [
        FrameMessage(stream_id, encoder.encode([f.image for f in half]), encoder.content_type, half[0].ts_ms)
        for half in halves
    ]


def _of_cameras(streams: Streams) -> dict[str, StreamStatus]:
    return {stream: status for stream, status in streams.items() if stream in CAMERAS}
