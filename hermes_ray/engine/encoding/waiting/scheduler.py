"""What one step of the engine does, decided over plain integers and learned costs."""

from collections.abc import Mapping

from hermes_ray.engine.encoding.waiting.step_costs import StepCosts


class FrameScheduler:
    """Shares a step's frames fairly among streams: one each in turn, starting where the last step ended.

    What is in a step changes no memory, so a step may be as short as it has to be.

    Args:
        max_frames: the most frames of one step over all streams.

    Attributes:
        costs: what steps take; whoever runs them has it learn.
    """

    def __init__(self, max_frames: int) -> None:
        self._max_frames = max_frames
        self._last_served: str | None = None
        self.costs = StepCosts()

    def plan(
        self, waiting: Mapping[str, int], compacts_at: Mapping[str, int] | None = None, bound_s: float | None = None
    ) -> dict[str, int]:
        """How many frames to encode of each stream now.

        Args:
            waiting: frames waiting per stream, in a stable order.
            compacts_at: which of a stream's next frames will have its memory compacted, 1 for the first; streams that
                are never compacted are absent.
            bound_s: how long the step may take, seconds; ``None`` for as long as it likes.

        Returns:
            Streams with at least one frame to encode; their sum is at most ``max_frames``. The step takes about
            ``bound_s``, or has one frame. Compactions that fall due together are so spread over steps.
        """
        turn = self._in_turn([stream for stream, frames in waiting.items() if frames > 0])
        share = dict.fromkeys(turn, 0)
        compacts_at = compacts_at or {}
        frames = compactions = 0
        while turn:
            for stream in turn:
                due = compactions + (share[stream] + 1 == compacts_at.get(stream))
                too_long = bound_s is not None and frames > 0 and self.costs.seconds(frames + 1, due) > bound_s
                if frames == self._max_frames or too_long:
                    # Whoever is next in turn is first in the next step, whatever its frame costs.
                    return {stream: frames for stream, frames in share.items() if frames > 0}
                share[stream] += 1
                frames, compactions = frames + 1, due
                self._last_served = stream
            turn = [stream for stream in turn if share[stream] < waiting[stream]]
        return {stream: frames for stream, frames in share.items() if frames > 0}

    def _in_turn(self, streams: list[str]) -> list[str]:
        if self._last_served not in streams:
            return streams
        behind = streams.index(self._last_served) + 1
        return streams[behind:] + streams[:behind]
