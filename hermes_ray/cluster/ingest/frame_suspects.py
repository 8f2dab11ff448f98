"""Frames that may be what ends their stream's owner: sent alone, one of each owner at a time, until that is certain."""

from collections.abc import Sequence

from hermes_ray.cluster.ingest.outbox import QueuedFrame
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import FramePosition
from hermes_ray.cluster.wire.suspects import Suspects


class FrameSuspects:
    """For one thread."""

    def __init__(self) -> None:
        self._suspects: Suspects[tuple[str, FramePosition]] = Suspects()
        self._alone: dict[str | None, str] = {}  # the stream whose suspect is under way, by its owner

    def sendable(self, stream_id: str, owner: str | None, frames: Sequence[QueuedFrame]) -> int:
        """How many of a stream's next frames may be sent now as one batch; 0 while another suspect is under way.

        Args:
            stream_id: whose frames.
            owner: the worker that owns it, as far as is known.
            frames: the next ones, in order, at least one.
        """
        ahead = next((i for i, frame in enumerate(frames) if (stream_id, frame.position) in self._suspects), None)
        if ahead is None:
            return len(frames)
        return ahead or (0 if owner in self._alone else 1)

    def sent(self, stream_id: str, owner: str | None, frames: Sequence[QueuedFrame]) -> None:
        """A batch is under way."""
        if (stream_id, frames[0].position) in self._suspects:
            self._alone[owner] = stream_id

    def passed(self, stream_id: str, frames: Sequence[QueuedFrame]) -> None:
        """The batch has ended, and its owner has not."""
        self.dropped(stream_id)
        for frame in frames:
            self._suspects.passed((stream_id, frame.position))

    def ended(
        self, stream_id: str, owner: Location, frames: Sequence[QueuedFrame], *, announced: bool
    ) -> list[QueuedFrame]:
        """The owner's process ended while the batch was under way; returns frames that are to blame for it.

        Args:
            stream_id: whose frames.
            owner: as it was asked.
            frames: the batch.
            announced: the owner said that its engine failed.
        """
        self.dropped(stream_id)
        pictures = [frame for frame in frames if frame.image is not None]
        return [
            frame
            for frame in pictures
            if self._suspects.ended((stream_id, frame.position), owner.epoch, announced=announced)
        ]

    def dropped(self, stream_id: str) -> None:
        """Nothing of the stream is under way any more."""
        self._alone = {owner: stream for owner, stream in self._alone.items() if stream != stream_id}

    def is_guilty(self, stream_id: str, position: FramePosition) -> bool:
        """Whether a frame must not be sent again."""
        return self._suspects.is_guilty((stream_id, position))
