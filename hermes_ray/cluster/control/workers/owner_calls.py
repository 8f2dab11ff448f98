"""What the Coordinator asks of the owner of a stream for somebody who waits, and for how long it may take."""

from collections.abc import Mapping

from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.transport.topic_ends import TopicEnds

_OWN_LIMIT_S = 3.0
_RETENTIONS_LIMIT_S = 5.0
_RESET_LIMIT_S = 30.0
"""For frames that are being applied, and a slow snapshot store."""
_ERASE_LIMIT_S = 20.0
"""The same, and a memory that is being restored. Past it the Coordinator erases without the owner."""
_TAKE_OVER_LIMIT_S = 60.0
"""For a memory that is checked and stored, of a gigabyte at most."""


class OwnerCalls:
    """Each raises what the worker's method of that name does, and ``WorkerUnavailable`` if it does not answer.

    Args:
        namespace: of the cluster's actors.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def own(self, stream_id: str, at: Location, erased: StreamCursor | None) -> None:
        """A stream was placed there; ``erased`` is how it begins where there is no store to say so."""
        known = (stream_id, at.epoch, False, erased)
        await call(at.worker, self._namespace, "own", *known, limit_s=_OWN_LIMIT_S)

    async def retentions(self, worker: str) -> Mapping[str, float | None]:
        """Days that each of its streams may be silent."""
        return await call(worker, self._namespace, "retentions", limit_s=_RETENTIONS_LIMIT_S)

    async def reset(self, stream_id: str, at: Location) -> None:
        """Begin with an empty memory."""
        await call(at.worker, self._namespace, "reset", stream_id, at.epoch, limit_s=_RESET_LIMIT_S)

    async def configure(self, stream_id: str, at: Location, change: Change) -> None:
        """Change what is set for the stream."""
        await call(at.worker, self._namespace, "configure", stream_id, at.epoch, change, limit_s=_RESET_LIMIT_S)

    async def erase(self, worker: str, stream_id: str, epoch: int, topic: TopicEnds) -> bool:
        """Forget the stream, and what was published of it up to there; returns whether its snapshots are gone too."""
        return await call(worker, self._namespace, "erase", stream_id, epoch, *topic, limit_s=_ERASE_LIMIT_S)

    async def take_over(
        self, worker: str, stream_id: str, epoch: int, transfer: str, topic: TopicEnds, replace: bool
    ) -> None:
        """Begin with a memory that the worker was sent."""
        what = (stream_id, epoch, transfer, *topic, replace)
        await call(worker, self._namespace, "take_over", *what, limit_s=_TAKE_OVER_LIMIT_S)
