"""Sends what waits in the outbox to the streams' owners, and does with each batch what its end asks for."""

import time
from collections.abc import Callable, Iterable

from hermes_ray.cluster.ingest.counts import StreamCounts
from hermes_ray.cluster.ingest.dead_letters.rejected_records import RejectedRecords
from hermes_ray.cluster.ingest.delivery.delivery import Delivery, Outcome
from hermes_ray.cluster.ingest.delivery.frame_suspects import FrameSuspects
from hermes_ray.cluster.ingest.meters import IngestMeters
from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame, with_pictures
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import FramePosition, OwnersChanged
from hermes_ray.engine.residency.reference import ComparedFrame, UnchangedFrame
from hermes_ray.errors import (
    ClusterError,
    EngineClosed,
    EngineFailed,
    FramesFailed,
    HermesError,
    Overloaded,
    PictureMissing,
    WorkerLost,
    WorkerUnavailable,
)
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ENGINE_RETRY_S = 0.5


class BatchSender:
    """For one thread.

    Args:
        outbox: what waits.
        delivery: how to reach the owners.
        rejected: takes frames that are refused for good.
        counts: of each stream.
        meters: counts of the worker.
        restart: called with a stream of which is not known what its owner has.
        need_pictures: called with a stream of which its owner missed a picture, and with the newest frame sent to it.
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: Delivery,
        rejected: RejectedRecords,
        counts: StreamCounts,
        meters: IngestMeters,
        restart: Callable[[str], None],
        need_pictures: Callable[[str, FramePosition], None],
    ) -> None:
        self._outbox = outbox
        self._delivery = delivery
        self._rejected = rejected
        self._stream_counts = counts
        self._meters = meters
        self._restart = restart
        self._need_pictures = need_pictures
        self._suspects = FrameSuspects()

    def send(self) -> None:
        """Send a batch of every stream that may have one under way; those without pictures together."""
        together: dict[str, list[tuple[str, Location, tuple[QueuedFrame, ...]]]] = {}
        for stream_id in self._outbox.ready(time.monotonic()):
            try:
                owner = self._delivery.owner(stream_id)
                head = self._outbox.head(stream_id)
                count = self._suspects.sendable(stream_id, owner, head)
                has_pixels = any(frame.has_pixels for frame in head[:count])
                if count > 0 and (has_pixels or self._delivery.may_share(owner.worker)):
                    frames = self._outbox.begin(stream_id, count)
                    self._suspects.sent(stream_id, owner, frames)
                    if has_pixels:
                        self._delivery.send(stream_id, owner, frames)
                    else:
                        together.setdefault(owner.worker, []).append((stream_id, owner, frames))
            except WorkerUnavailable as error:
                self._conclude(Outcome(stream_id, error))
        for worker, batches in together.items():
            try:
                self._delivery.send_together(worker, batches)
            except WorkerUnavailable as error:
                for stream_id, _, _ in batches:
                    self._conclude(Outcome(stream_id, error))

    def settle(self, timeout_s: float) -> None:
        """Conclude the batches that have ended, waiting up to ``timeout_s`` for the first."""
        for outcome in self._delivery.settle(timeout_s):
            self._conclude(outcome)

    def owner_changed(self, stream_id: str, news: OwnersChanged) -> None:
        """A stream's owner has ended, which Ray would say a second later; or it hangs, and would never answer."""
        error = WorkerLost if news.ended else WorkerUnavailable
        self._conclude(Outcome(stream_id, error(f"{news.former} does not answer, another worker has the stream")))

    @property
    def doubted(self) -> frozenset[str]:
        """See :attr:`FrameSuspects.doubted`."""
        return self._suspects.doubted

    def forget(self, stream_id: str) -> None:
        """Nothing of the stream is under way any more."""
        self._suspects.dropped(stream_id)

    def is_refused(self, stream_id: str, position: FramePosition) -> bool:
        """Whether a frame must never be sent again."""
        return self._suspects.is_guilty(stream_id, position)

    def without_guilty(self, stream_id: str, frames: Iterable[QueuedFrame]) -> list[QueuedFrame]:
        """Frames as they may be queued: of those that are refused for good, only their mark is left."""
        return [frame.without_image() if self.is_refused(stream_id, frame.position) else frame for frame in frames]

    def _conclude(self, outcome: Outcome) -> None:
        stream_id, error = outcome.stream_id, outcome.error
        if error is None:
            self._confirm(outcome)
            return
        if isinstance(error, WorkerLost | EngineFailed):
            self._blame(stream_id, announced=isinstance(error, EngineFailed))
        else:
            self._suspects.dropped(stream_id)
        if isinstance(error, PictureMissing):
            self._need_pictures(stream_id, self._outbox.sent(stream_id)[-1].position)
        if isinstance(error, ClusterError | EngineFailed | PictureMissing):
            # The owner has changed, died, or does not answer: whatever it has of the batch, it or its successor knows.
            self._meters.postponed(error.code)
            self._restart(stream_id)
        elif (retry_s := _retry_after_s(error)) is not None:
            log.debug("batch postponed", stream_id=stream_id, reason=error.code, retry_s=retry_s)
            self._meters.postponed(error.code)
            self._outbox.postpone(stream_id, time.monotonic() + retry_s)
        else:
            frames = with_pictures(self._outbox.discard(stream_id))
            self._rejected.refuse(stream_id, (frame.record for frame in frames), error)

    def _confirm(self, outcome: Outcome) -> None:
        batch = self._outbox.finish(outcome.stream_id)
        self._suspects.passed(outcome.stream_id, batch)
        frames = with_pictures(batch)
        for refused in outcome.refused:
            records = (frame.record for frame in frames if frame.position == refused.position)
            self._rejected.refuse(outcome.stream_id, records, refused.error)
        applied = len(frames) - len(outcome.refused)
        self._stream_counts.applied(outcome.stream_id, applied)
        self._meters.confirmed(applied)
        if any(isinstance(frame.image, ComparedFrame | UnchangedFrame) for frame in frames) and outcome.refused:
            self._restart(outcome.stream_id)  # frames behind a refused one were compared with what is in no memory

    def _blame(self, stream_id: str, *, announced: bool) -> None:
        owner, frames = self._delivery.owner(stream_id), self._outbox.sent(stream_id)
        for frame in self._suspects.ended(stream_id, owner, frames, announced=announced):
            log.error("a frame ends its worker and is refused", stream_id=stream_id, position=tuple(frame.position))
            error = FramesFailed(
                f"{owner.worker} ended again and again while this frame was on its way into the memory"
            )
            self._rejected.refuse(stream_id, [frame.record], error)


def _retry_after_s(error: HermesError) -> float | None:
    """How long to wait before the same batch is sent again; ``None`` if its owner will never take it."""
    if isinstance(error, Overloaded):
        return error.retry_after_s
    return _ENGINE_RETRY_S if isinstance(error, EngineClosed) else None  # a closing engine is replaced by a new process
