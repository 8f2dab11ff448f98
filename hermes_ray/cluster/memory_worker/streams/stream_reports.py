"""What is told of the streams of one memory worker: how each memory was after its newest frame. Plain Python."""

import time
from collections.abc import Mapping
from dataclasses import replace

from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.cluster.wire.protocol import StreamReport
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.observability.silence import silent_streams


class StreamReports:
    """Of every stream that has frames here. May be asked from any thread.

    Args:
        keeper: of the streams' cursors and snapshots.
    """

    def __init__(self, keeper: StreamKeeper) -> None:
        self._keeper = keeper
        self._reports: dict[str, StreamReport] = {}

    def applied(self, stream_id: str, stats: StreamStats) -> None:
        """Frames were applied to a stream's memory just now."""
        lag_ms = None if stats.as_of_ms is None else time.time() * 1000 - stats.as_of_ms
        self._reports[stream_id] = StreamReport(stats, lag_ms)

    def brought(self, stream_id: str, stats: StreamStats) -> None:
        """A stream's memory came here as it is."""
        self._reports[stream_id] = StreamReport(stats, None)

    def forget(self, stream_id: str) -> None:
        """A stream has no frames here any more."""
        self._reports.pop(stream_id, None)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._reports

    def newest(self, stream_id: str) -> StreamStats | None:
        """A stream's memory after its newest frame; ``None`` if it has none."""
        return self._reports[stream_id].memory if stream_id in self._reports else None

    def one(self, stream_id: str) -> StreamReport:
        """Of a stream that has frames here."""
        return self._aged(stream_id, self._reports[stream_id])

    def all(self) -> Mapping[str, StreamReport]:
        """By stream."""
        return {stream: self._aged(stream, report) for stream, report in list(self._reports.items())}

    def silent(self) -> Mapping[int, int]:
        """How many streams have sent nothing for how long; see :func:`silent_streams`."""
        newest = [report.memory.as_of_ms for report in list(self._reports.values())]
        return silent_streams(newest, time.time() * 1000)

    def _aged(self, stream_id: str, report: StreamReport) -> StreamReport:
        cursor = self._keeper.cursor(stream_id)
        return replace(
            report,
            snapshot_age_s=self._keeper.age_s(stream_id),
            lost_records=cursor.lost_records,
            settings=cursor.settings,
        )
