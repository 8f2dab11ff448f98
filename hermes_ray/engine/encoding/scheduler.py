"""What one step of the engine does, decided over plain integers."""

from collections.abc import Mapping


class FrameScheduler:
    """Shares a step's frames fairly among streams: one each in turn, starting where the last step ended.

    Args:
        max_frames: frames of one step over all streams; it bounds how long a question waits for the step to end.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._last_served: str | None = None

    def plan(self, waiting: Mapping[str, int]) -> dict[str, int]:
        """How many frames to encode of each stream now.

        Args:
            waiting: frames waiting per stream, in a stable order.

        Returns:
            Streams with at least one frame to encode; their sum is at most ``max_frames``.
        """
        turn = self._in_turn([stream for stream, frames in waiting.items() if frames > 0])
        share = dict.fromkeys(turn, 0)
        left = self._max_frames
        while left > 0 and turn:
            for stream in turn[:left]:
                share[stream] += 1
                self._last_served = stream
            left -= min(left, len(turn))
            turn = [stream for stream in turn if share[stream] < waiting[stream]]
        return {stream: frames for stream, frames in share.items() if frames > 0}

    def _in_turn(self, streams: list[str]) -> list[str]:
        if self._last_served not in streams:
            return streams
        behind = streams.index(self._last_served) + 1
        return streams[behind:] + streams[:behind]
