"""From a Kafka record to the frames that its stream's memory is to see."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from sys import maxsize

from hermes_ray.cluster.ingest.intake.capture_time import check_capture_time
from hermes_ray.cluster.ingest.intake.comparing import Comparing, Comparison
from hermes_ray.cluster.ingest.intake.shedding import Shedding
from hermes_ray.cluster.ingest.intake.streams import IngestStream, IngestStreams
from hermes_ray.cluster.ingest.outbox import QueuedFrame
from hermes_ray.cluster.wire.protocol import FramePosition, Mark
from hermes_ray.config import VideoSettings
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.dead_letter_topic import REPUBLISHED_FROM
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.codec import DecodeLimits, Decoding, decode
from hermes_ray.video.codec.glance import Glance, Look
from hermes_ray.video.sampling import FrameSampler

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Intake:
    """What one record holds.

    Attributes:
        end: the record's last frame.
        mark: how far the stream is with this record; ``None`` for a record that the stream has seen before.
        frames: those that sampling kept, shrunk; those that show nothing new without their picture.
        frames_decoded: before sampling.
        frames_skipped: left out because there are more than the target rate.
        frames_shed: left out because the stream is behind.
        frames_late: left out because they are older than one kept before.
        frames_doubted: left out because the record's time is far from the stream's.
        frames_undecodable: besides, pictures that a decoder must leave out, such as before a segment's first whole one.
        clock_stepped: the record's time was believed to be that of a clock that was set.
    """

    stream_id: str
    end: FramePosition
    mark: Mark | None = None
    frames: tuple[QueuedFrame, ...] = ()
    frames_decoded: int = 0
    frames_skipped: int = 0
    frames_shed: int = 0
    frames_late: int = 0
    frames_doubted: int = 0
    frames_undecodable: int = 0
    clock_stepped: bool = False


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
        comparing: finds frames that need not travel with their pictures; ``None`` sends all pictures.
        lost: how many records of a partition, from an offset up to another, were gone before they were read, or, if
            the last argument says so, before they were read again.
    """

    def __init__(
        self,
        settings: VideoSettings,
        streams: IngestStreams,
        now_s: Callable[[], float] = time.time,
        lost: Callable[[int, int, int, bool], int] = lambda partition, start, end, again: 0,
        comparing: Comparing | None = None,
    ) -> None:
        self._settings = settings
        self._streams = streams
        self._shedding = Shedding(settings)
        self._now_s = now_s
        self._lost = lost
        self._comparing = comparing
        self._limits = DecodeLimits.from_settings(settings)

    def check(self, record: Record) -> None:
        """Decode a record to no end but its errors, which are those of :meth:`open`."""
        message = self._message(record)
        for _ in self._decode_with(message, record, select=lambda ts_ms: False):
            pass

    def open(self, record: Record) -> Intake:
        """Take a record apart.

        Raises:
            MessageError: it breaks the message format, or its capture time cannot be right.
            MediaError: its payload cannot be used; the stream's sampling is as if it had never come.
        """
        message = self._message(record)
        stream = self._streams.get(message.stream_id)
        whole = FramePosition(record.partition, record.offset, maxsize)
        if stream.cursor.covers(self._streams.log, whole):
            # Read again, below what is known; how many frames it has does not matter any more.
            return Intake(message.stream_id, whole)
        sampler = FrameSampler(stream.cursor.settings.fps or self._settings.target_fps)
        if stream.sampler is not None:
            sampler.restore(stream.sampler)
        former_ms = sampler.state().newest_kept_ms
        comparison = self._comparing.begin(message.stream_id, stream.compared) if self._comparing else None
        intake = self._decode(message, record, sampler, stream, comparison)
        if intake.clock_stepped:
            log.warning("a stream's clock was set", stream_id=message.stream_id, from_ms=former_ms, to_ms=message.ts_ms)
        stream.looked_at(intake.mark, sampler.state(), message.ts_ms, comparison.compared if comparison else None)
        self._streams.keep(message.stream_id, stream)
        return intake

    def _message(self, record: Record) -> FrameMessage:
        message = FrameMessage.from_record(record)
        check_capture_time(message.ts_ms, record.timestamp_ms, self._settings.max_clock_skew_s)
        return message

    def _doubts(self, message: FrameMessage, record: Record, sampler: FrameSampler, stream: IngestStream) -> bool:
        """Whether the record is to be left out because of its time. May set the stream's clock."""
        if stream.cursor.covers(self._streams.log, FramePosition(record.partition, record.offset, 0)):
            return False  # its first frames are in the memory, so it was believed
        republished = any(name == REPUBLISHED_FROM for name, _ in record.headers)
        if republished and message.ts_ms <= sampler.state().newest_kept_ms:
            return False  # late because a person sent it again, and no sign of a clock
        return sampler.doubts(message.ts_ms, record.timestamp_ms, self._settings.max_clock_skew_s * 1000)

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

    def _decode(
        self,
        message: FrameMessage,
        record: Record,
        sampler: FrameSampler,
        stream: IngestStream,
        comparison: Comparison | None,
    ) -> Intake:
        cursor, topic = stream.cursor, self._streams.log
        before = sampler.state()
        doubted = self._doubts(message, record, sampler, stream)
        if not doubted:
            sampler.shed(self._divisor(stream, message, record, before.divisor))
        lost_records = cursor.lost_records + self._lost_before(message.stream_id, stream, record)
        kept: list[tuple[Mark, int]] = []  # in step with what decode looks at
        decoded = 0

        def select(ts_ms: int) -> bool:
            nonlocal decoded
            position = FramePosition(record.partition, record.offset, decoded)
            decoded += 1
            if cursor.covers(topic, position):
                return False
            if doubted:
                sampler.leave_out()
                return False
            if not sampler.keep(ts_ms):
                return False
            kept.append((Mark(topic, position, sampler.state(), lost_records), ts_ms))
            return True

        def look(glance: Glance, ts_ms: int) -> bool:
            return comparison is None or comparison.look(glance, ts_ms, kept[-1][0].position)

        decoding = self._decode_with(message, record, select, None if comparison is None else look)
        images = [frame.image for frame in decoding]
        if decoding.refused_fps is not None:
            log.warning("frame rate cannot be right", stream_id=message.stream_id, claimed=float(decoding.refused_fps))
        end = FramePosition(record.partition, record.offset, decoded - 1)
        after = sampler.state()
        mark = None if cursor.covers(topic, end) else Mark(topic, end, after, lost_records)
        queued = [
            QueuedFrame(image, ts_ms, at.position, record, at)
            for image, (at, ts_ms) in zip(comparison.frames(images) if comparison else images, kept, strict=True)
        ]
        if queued and mark is not None:
            queued[-1] = replace(queued[-1], mark=mark)  # unselected frames behind it are seen with it
        return Intake(
            message.stream_id,
            end,
            mark,
            tuple(queued),
            decoded,
            frames_skipped=after.skipped - before.skipped,
            frames_shed=after.shed - before.shed,
            frames_late=after.late - before.late,
            frames_doubted=after.doubted - before.doubted,
            clock_stepped=after.clock_steps > before.clock_steps,
            frames_undecodable=decoding.skipped,
        )

    def _decode_with(
        self, message: FrameMessage, record: Record, select: Callable[[int], bool], look: Look | None = None
    ) -> Decoding:
        return decode(
            message.payload,
            message.content_type,
            message.ts_ms,
            self._limits,
            max_side_px=self._settings.max_side_px,
            select=select,
            look=look,
            written_ms=record.timestamp_ms,
        )
