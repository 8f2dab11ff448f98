"""How far partitions are read that other ingest workers read."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_LOOK_S = 0.5
"""Between two looks, each one request for every partition."""


@dataclass(slots=True)
class _Watch:
    committed: Mapping[int, int]
    progress_s: float
    due_s: float


class ForeignPartitions:
    """Commits tell: they are behind snapshots, so that what they cover is in its streams' memories. For one thread.

    Two ingest workers may wait for each other, each for a stream that came from the other; neither commits then. So
    patience ends where nothing is committed any more.

    Args:
        patience_s: without any progress, seconds.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, patience_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._now_s = now_s
        self._watched: dict[str, _Watch] = {}

    def are_read(self, stream_id: str, ends: Mapping[int, int], committed_of: Callable[[int], int | None]) -> bool:
        """Whether partitions are read up to where a stream needs it, or patience has ended.

        Args:
            stream_id: which waits.
            ends: by partition the offset after the last record that is to be read.
            committed_of: asks the broker for a partition's commit; called now and then.
        """
        now_s = self._now_s()
        watch = self._watched.setdefault(stream_id, _Watch({}, now_s, now_s))
        if now_s < watch.due_s:
            return False
        committed = {p: committed_of(p) or 0 for p in ends}
        if committed != watch.committed:
            watch.committed, watch.progress_s = committed, now_s
        watch.due_s = now_s + _LOOK_S
        impatient = now_s - watch.progress_s >= self._patience_s
        if read := all(committed[partition] >= end for partition, end in ends.items()):
            log.info("former partitions are read", stream_id=stream_id, committed=committed)
        elif impatient:
            log.warning(
                "a former partition is read elsewhere and nothing is committed, order may be lost",
                stream_id=stream_id,
                committed=committed,
                wanted=dict(ends),
            )
        if read or impatient:
            del self._watched[stream_id]
        return read or impatient
