"""What was seen from outside while the benchmark ran, and the times that can be read off it. Plain Python.

All moments are seconds since the Unix epoch by this machine's clock, which the cameras use too.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """When a camera takes its frames: evenly.

    Attributes:
        start_ms: capture time of frame 0, ms since epoch.
        period_ms: from one frame to the next.
    """

    start_ms: int
    period_ms: int

    def captured_s(self, frame: int) -> float:
        """When a frame was taken."""
        return (self.start_ms + frame * self.period_ms) / 1000

    def frame_at(self, ts_ms: int) -> int:
        """The frame with that capture time."""
        frame, rest = divmod(ts_ms - self.start_ms, self.period_ms)
        assert rest == 0, f"no frame was taken at {ts_ms}"
        return frame

    def first_after(self, moment_s: float) -> int:
        """The first frame taken after a moment."""
        return max(0, math.floor((moment_s * 1000 - self.start_ms) / self.period_ms) + 1)


@dataclass(slots=True)
class Arrivals:
    """When the frames of one stream could be asked about. One thread adds; any may read.

    Attributes:
        grid: when they were taken.
    """

    grid: FrameGrid
    _frames: list[int] = field(default_factory=list)
    _moments_s: list[float] = field(default_factory=list)

    def add(self, newest: int, at_s: float) -> None:
        """An answer at that moment had seen all frames up to ``newest``, and nobody had before."""
        if newest > self.newest:
            self._moments_s.append(at_s)
            self._frames.append(newest)  # last, so that readers find a moment to every frame

    @property
    def newest(self) -> int:
        """The newest frame seen in an answer; -1 before the first."""
        return self._frames[-1] if self._frames else -1

    def askable_s(self, frame: int) -> float | None:
        """When a frame could be asked about; ``None`` if it could not yet."""
        place = bisect_left(self._frames, frame)
        return self._moments_s[place] if place < len(self._frames) else None

    def newest_at(self, moment_s: float) -> int:
        """The newest frame that could be asked about at a moment; -1 if none."""
        place = bisect_left(self._moments_s, moment_s)
        return self._frames[place - 1] if place else -1

    def back_s(self, moment_s: float) -> float | None:
        """How long after a moment the first frame taken after it could be asked about; ``None`` if it could not yet."""
        askable_s = self.askable_s(self.grid.first_after(moment_s))
        return None if askable_s is None else askable_s - moment_s

    def longest_lag_s(self, begin_s: float, end_s: float) -> float:
        """The longest time from capture until it could be asked about, of the frames taken in an interval."""
        frames = range(self.grid.first_after(begin_s), self.grid.first_after(end_s))
        lags = [at_s - self.grid.captured_s(frame) for frame in frames if (at_s := self.askable_s(frame)) is not None]
        return max(lags, default=0.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one question.

    Attributes:
        sent_s: when it was sent.
        ended_s: when its first token came, or its refusal.
        problem: code of the error that it ended with; ``None`` if it was answered.
        as_of_ms: capture time of the newest frame that the answer rests on.
        frames_seen: frames that the memory had seen.
    """

    sent_s: float
    ended_s: float
    problem: str | None = None
    as_of_ms: int | None = None
    frames_seen: int | None = None

    @property
    def took_s(self) -> float:
        """From sending to the first token, or to the refusal."""
        return self.ended_s - self.sent_s


def sent_between(replies: Iterable[Reply], begin_s: float, end_s: float) -> list[Reply]:
    """Replies to the questions that were sent in an interval."""
    return [reply for reply in replies if begin_s <= reply.sent_s < end_s]


def answered_again_s(replies: Iterable[Reply], moment_s: float, end_s: float) -> float | None:
    """From a moment to the first token of the first answer behind the last refusal; ``None`` if there was none.

    Args:
        replies: to one stream's questions.
        moment_s: only questions sent from then on count,
        end_s: and before then.
    """
    asked = sent_between(replies, moment_s, end_s)
    last_refusal_s = max((reply.ended_s for reply in asked if reply.problem is not None), default=moment_s)
    again = [reply.ended_s for reply in asked if reply.problem is None and reply.ended_s >= last_refusal_s]
    return min(again) - moment_s if again else None


def excess_frames(grid: FrameGrid, replies: Iterable[Reply]) -> list[int]:
    """For each answer: frames that its memory has counted beyond those that were taken up to its newest one.

    Every frame has a capture time of its own, so a memory that has seen each once has counted as many as were taken:
    below zero frames are missing, above zero some were applied twice.
    """
    return [
        reply.frames_seen - grid.frame_at(reply.as_of_ms) - 1
        for reply in replies
        if reply.frames_seen is not None and reply.as_of_ms is not None
    ]


def lost_and_twice(before: Sequence[int], after: Sequence[int]) -> tuple[int, int]:
    """Frames lost and frames applied twice between answers from before and from after.

    Args:
        before: :func:`excess_frames` of answers before, in order; without any, nothing is taken to be amiss.
        after: of answers after.
    """
    known = before[-1] if before else 0
    return max((known - excess for excess in after if excess < known), default=0), max(
        (excess - known for excess in after if excess > known), default=0
    )
