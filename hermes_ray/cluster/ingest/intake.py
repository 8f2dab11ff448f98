"""From a Kafka record to the frames that its stream's memory is to see."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from sys import maxsize

from hermes_ray.cluster.ingest.outbox import QueuedFrame
from hermes_ray.cluster.ingest.shedding import Shedding
from hermes_ray.cluster.ingest.streams import IngestStream, IngestStreams
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.config import VideoSettings
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.codec import DecodeLimits, Decoding, decode
from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Intake:
    """What one record holds.

    Attributes:
        frames_decoded: before sampling.
        frames_skipped: pictures that a decoder must leave out, such as those that lead to a segment's first whole one.
        frames_shed: left out because the stream is behind.
        frames_late: left out because they are older than one kept before.
        frames: those that sampling kept, shrunk.
        end: the record's last frame.
        mark: how far the stream is with this record; ``None`` for a record that the stream has seen before.
    """

    stream_id: str
    frames_decoded: int
    frames_skipped: int
    frames_shed: int
    frames_late: int
    frames: tuple[QueuedFrame, ...]
    end: FramePosition
    mark: Mark | None


class RecordIntake:
    """Parses, decodes, samples and shrinks. All or nothing of a record.

    Frames at or before a stream's cursor are passed over as if they were not there: sampling saw them before. So
    records may be read again, in any overlap, and give the same frames as if they had been read once.

    Only shedding depends on when a record is read. The rate in force is part of the sampler's state, and so of every
    snapshot. A stream that resumes goes on at the rate of its snapshot until it is past what may have been read
    before; so a recovery, which makes every stream late, thins out nothing that a memory had seen.

    Args:
        settings: sampling rate, picture size, decoding limits, and what becomes of a stream that is behind.
        streams: where each stream is.
        now_s: a clock, seconds since epoch.
        lost: how many records of a partition, from an offset up to another, were gone before they were read, or, if
            the last argument says so, before they were read again.
    """

    def __init__(
        self,
        settings: VideoSettings,
        streams: IngestStreams,
        now_s: Callable[[], float] = time.time,
        lost: Callable[[int, int, int, bool], int] = lambda partition, start, end, again: 0,
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._shedding = Shedding(settings)
        self._now_s = now_s
        self._lost = lost
        self._limits = DecodeLimits.from_settings(settings)

    def check(self, record: Record) -> None:
        """Decode a record to no end but its errors, which are those of :meth:`open`."""
        message = FrameMessage.from_record(record)
        for _ in self._decode_with(message, record, select=lambda ts_ms: False):
            pass

    def open(self, record: Record) -> Intake:
        """Take a record apart.

        Raises:
            MessageError: it breaks the message format.
            MediaError: its payload cannot be used; the stream's sampling is as if it had never come.
        """
        message = FrameMessage.from_record(record)
        stream = self._streams.get(message.stream_id)
        if stream.cursor.covers(self._streams.log, FramePosition(record.partition, record.offset, maxsize)):
            # Read again, below what is known; how many frames it has does not matter any more.
            end = FramePosition(record.partition, record.offset, maxsize)
            return Intake(message.stream_id, 0, 0, 0, 0, (), end, None)
        sampler = FrameSampler(self._settings.target_fps)
        if stream.sampler is not None:
            sampler.restore(stream.sampler)
        sampler.shed(self._divisor(stream, message, record, sampler.state().divisor))
        intake = self._decode(message, record, sampler, stream)
        stream.looked_at(intake.mark, sampler.state(), message.ts_ms)
        self._streams.keep(message.stream_id, stream)
        return intake

    def _lost_before(self, stream_id: str, stream: IngestStream, record: Record) -> int:
        """Records that are missing between what the stream's memory has and this one."""
        newest = stream.cursor.positions.get(record.partition)
        if newest is None or stream.cursor.log != self._streams.log:
            return 0
        lost = self._lost(record.partition, newest.offset + 1, record.offset, stream.behind)
        if lost:
            log.error("a stream has lost records", stream_id=stream_id, partition=record.partition, at_most=lost)
        return lost

    def _divisor(self, stream: IngestStream, message: FrameMessage, record: Record, present: int) -> int:
        if stream.is_replayed(message.ts_ms):
            return self._shedding.replayed(present)
        now_ms = round(self._now_s() * 1000)
        return self._shedding.divisor(message.ts_ms, record.timestamp_ms, now_ms, present)

    def _decode(self, message: FrameMessage, record: Record, sampler: FrameSampler, stream: IngestStream) -> Intake:
        cursor, topic = stream.cursor, self._streams.log
        lost_records = cursor.lost_records + self._lost_before(message.stream_id, stream, record)
        kept: list[Mark] = []  # in step with what decode yields
        decoded = 0
        before = sampler.state()

        def select(ts_ms: int) -> bool:
            nonlocal decoded
            position = FramePosition(record.partition, record.offset, decoded)
            decoded += 1
            if cursor.covers(topic, position) or not sampler.keep(ts_ms):
                return False
            kept.append(Mark(topic, position, sampler.state(), lost_records))
            return True

        decoding = self._decode_with(message, record, select)
        frames: list[Frame] = list(decoding)
        if decoding.refused_fps is not None:
            log.warning("frame rate cannot be right", stream_id=message.stream_id, claimed=float(decoding.refused_fps))
        end = FramePosition(record.partition, record.offset, decoded - 1)
        after = sampler.state()
        mark = None if cursor.covers(topic, end) else Mark(topic, end, after, lost_records)
        queued = [
            QueuedFrame(frame.image, frame.ts_ms, at.position, record, at)
            for frame, at in zip(frames, kept, strict=True)
        ]
        if queued and mark is not None:
            queued[-1] = replace(queued[-1], mark=mark)  # unselected frames behind it are seen with it
        shed, late = after.shed - before.shed, after.late - before.late
        return Intake(message.stream_id, decoded, decoding.skipped, shed, late, tuple(queued), end, mark)

    def _decode_with(self, message: FrameMessage, record: Record, select: Callable[[int], bool]) -> Decoding:
        return decode(
            message.payload,
            message.content_type,
            message.ts_ms,
            self._limits,
            max_side_px=self._settings.max_side_px,
            select=select,
            written_ms=record.timestamp_ms,
        )
