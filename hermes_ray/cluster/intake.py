"""From a Kafka record to the frames that its stream's memory is to see."""

from dataclasses import dataclass

from hermes_ray.cluster.outbox import QueuedFrame
from hermes_ray.cluster.protocol import FramePosition
from hermes_ray.config import VideoSettings
from hermes_ray.errors import MediaError
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.sampling import FrameSampler


@dataclass(frozen=True, slots=True)
class Intake:
    """What one record holds.

    Attributes:
        frames_decoded: before sampling.
        frames: those that sampling kept, shrunk.
    """

    stream_id: str
    frames_decoded: int
    frames: tuple[QueuedFrame, ...]


class RecordIntake:
    """Parses, decodes, samples and shrinks, with one sampler per stream. All or nothing of a record.

    Args:
        settings: sampling rate, picture size and decoding limits.
    """

    def __init__(self, settings: VideoSettings) -> None:
        self._settings = settings
        self._limits = DecodeLimits.from_settings(settings)
        self._samplers: dict[str, FrameSampler] = {}

    def open(self, record: Record) -> Intake:
        """Take a record apart.

        Raises:
            MessageError: it breaks the message format.
            MediaError: its payload cannot be used; the stream's sampling is as if it had never come.
        """
        message = FrameMessage.from_record(record)
        sampler = self._samplers.get(message.stream_id) or FrameSampler(self._settings.target_fps)
        before = sampler.state()
        try:
            intake = self._decode(message, record, sampler)
        except MediaError:
            sampler.restore(before)
            raise
        self._samplers[message.stream_id] = sampler
        return intake

    def _decode(self, message: FrameMessage, record: Record, sampler: FrameSampler) -> Intake:
        kept: list[int] = []  # frame numbers within the record, in step with what decode yields
        decoded = 0

        def select(ts_ms: int) -> bool:
            nonlocal decoded
            keep = sampler.keep(ts_ms)
            if keep:
                kept.append(decoded)
            decoded += 1
            return keep

        frames = decode(
            message.payload,
            message.content_type,
            message.ts_ms,
            self._limits,
            max_side_px=self._settings.max_side_px,
            select=select,
        )
        queued = tuple(
            QueuedFrame(frame.image, frame.ts_ms, FramePosition(record.partition, record.offset, kept[number]), record)
            for number, frame in enumerate(frames)
        )
        return Intake(message.stream_id, decoded, queued)
