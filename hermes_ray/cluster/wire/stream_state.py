"""In one word, how a stream is. Plain Python."""

from enum import StrEnum

SILENT_S = 60.0
"""Age of the newest frame from which on a stream counts as silent, as in ``hermes_streams_silent``."""


class StreamState(StrEnum):
    """How a stream is, as the outside sees it. Where several hold, the first one counts."""

    FAILED = "failed"
    """Its worker does not answer, so it cannot be asked; what is shown is what was last known."""
    MOVING = "moving"
    """It is on its way to another worker; questions are refused for a moment."""
    RESTORING = "restoring"
    """Its worker reads its memory from the store, or waits for a store that does not give it out."""
    BEHIND = "behind"
    """Frames have been waiting for longer than ``video.max_lag_s``."""
    SILENT = "silent"
    """Its newest frame is at least a minute old, and none waits. A recording counts by its own capture times."""
    LIVE = "live"
    """Frames come and are in the memory soon."""

    @property
    def can_be_asked(self) -> bool:
        """Whether its worker answers questions about it now."""
        return self in (StreamState.BEHIND, StreamState.SILENT, StreamState.LIVE)


def state_of(age_ms: float | None, waiting_ms: float | None, max_lag_s: float) -> StreamState:
    """The state of a stream that is where it belongs.

    Args:
        age_ms: since the capture of its newest frame, milliseconds; ``None`` before the first.
        waiting_ms: for how long frames have waited to come into the memory, milliseconds; ``None`` if none waits.
        max_lag_s: how long they may, seconds.
    """
    if waiting_ms is not None and waiting_ms > 1000 * max_lag_s:
        return StreamState.BEHIND
    if age_ms is not None and age_ms >= 1000 * SILENT_S:
        return StreamState.SILENT
    return StreamState.LIVE
