"""Which frames of a stream its memory sees: an even selection by capture time."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

from hermes_ray.video.frame import Frame
from hermes_ray.video.stream_clock import ClockRun, direction


@dataclass(frozen=True, slots=True)
class SamplerState:
    """Everything a :class:`FrameSampler` remembers; plain values (``asdict``), so it goes into any snapshot.

    Attributes:
        target_fps: the rate it was made for.
        anchor_ms: capture time of grid point 0; ``None`` before the first frame.
        next_point: index of the next grid point without a frame.
        newest_kept_ms: capture time of the newest frame kept.
        newest_seen_ms: capture time of the newest frame offered.
        kept: frames kept.
        skipped: frames left out because the stream is faster than the target.
        late: frames left out because they are not newer than the newest kept.
        divisor: of the frames at grid points one in so many is kept; 1 keeps all.
        shed: frames left out because of ``divisor``.
        shed_in_row: of these, since the newest frame kept.
        doubted: frames left out because their record's time was far from the stream's.
        run: the doubted records since the newest one that was not; ``None`` if there are none.
        clock_steps: how often the clock was set. Times before and after a step cannot be compared.
    """

    target_fps: float
    anchor_ms: int | None = None
    next_point: int = 1
    newest_kept_ms: int = 0
    newest_seen_ms: int = 0
    kept: int = 0
    skipped: int = 0
    late: int = 0
    divisor: int = 1
    shed: int = 0
    shed_in_row: int = 0
    doubted: int = 0
    run: ClockRun | None = None
    clock_steps: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what ``asdict`` made, in this release or an earlier one."""
        run = value.get("run")
        return cls(**{**value, "run": None if run is None else ClockRun(**run)})


class FrameSampler:
    """Keeps ``target_fps`` frames per second of capture time, evenly spaced.

    The decision is a function of the capture times offered so far and of the calls of :meth:`shed` and :meth:`doubts`
    between them, so a replay selects the same frames. The first frame sets a grid of points one period apart; each
    point gets the frame nearest to it. Hence the kept frames never drift from the grid, whatever the stream's own rate
    and rounding, and never outnumber its points. "Nearest" is decided as a frame arrives, taking the gap before it as
    the gap after it. A stream slower than the target passes whole, with jitter of up to an eighth of the period either
    way.

    A frame that is not newer than the newest kept one (out of order, or a duplicate) is not kept, and counted as late.
    Whether a camera's clock was set is for :meth:`doubts` to find out, before the frames of each record.

    Args:
        target_fps: frames per second of capture time, above 0.

    Raises:
        ValueError: ``target_fps`` is not positive.
    """

    def __init__(self, target_fps: float) -> None:
        if not target_fps > 0 or math.isinf(target_fps):
            raise ValueError(f"target_fps must be a positive number, not {target_fps}")
        self._state = SamplerState(target_fps)
        # The period is _period / _scale ms, in whole numbers: floating point would let the grid drift.
        self._scale, self._period = (Fraction(str(target_fps)) / 1000).as_integer_ratio()

    def keep(self, ts_ms: int) -> bool:
        """Say whether the stream's next frame, captured at ``ts_ms``, is kept, and remember it."""
        state = self._state
        if state.anchor_ms is None:
            self._state = replace(
                state, anchor_ms=ts_ms, next_point=1, newest_kept_ms=ts_ms, newest_seen_ms=ts_ms, kept=state.kept + 1
            )
            return True
        if ts_ms <= state.newest_kept_ms:
            self._state = replace(state, late=state.late + 1)
            return False
        seen = replace(state, newest_seen_ms=max(ts_ms, state.newest_seen_ms))
        if not self._is_nearest(ts_ms, state.anchor_ms):
            self._state = replace(seen, skipped=state.skipped + 1)
            return False
        seen = replace(seen, next_point=self._point_after(ts_ms, state.anchor_ms))
        if state.shed_in_row + 1 < state.divisor:
            self._state = replace(seen, shed=state.shed + 1, shed_in_row=state.shed_in_row + 1)
            return False
        self._state = replace(seen, newest_kept_ms=ts_ms, kept=state.kept + 1, shed_in_row=0)
        return True

    def doubts(self, ts_ms: int, published_ms: int, max_skew_ms: float) -> bool:
        """Say whether a record's time is too far from the stream's to be believed yet; its frames are left out then.

        Where enough doubted records agree, the clock was set: sampling starts anew with this record.

        Args:
            ts_ms: capture time of its first frame.
            published_ms: its timestamp in Kafka, ms since epoch; negative if it has none.
            max_skew_ms: how far frames may come behind newer ones without a clock's being set.
        """
        state = self._state
        where = (
            0 if state.anchor_ms is None else direction(ts_ms, state.newest_kept_ms, state.newest_seen_ms, max_skew_ms)
        )
        if not where:
            self._state = replace(state, run=None)
            return False
        run = ClockRun.grown(state.run, ts_ms, -1 if where > 0 else published_ms, max_skew_ms)
        if run.is_believed:
            self._state = replace(state, anchor_ms=None, shed_in_row=0, run=None, clock_steps=state.clock_steps + 1)
            return False
        self._state = replace(state, run=run)
        return True

    def leave_out(self, frames: int = 1) -> None:
        """Count frames of a record that is doubted."""
        self._state = replace(self._state, doubted=self._state.doubted + frames)

    def shed(self, divisor: int) -> None:
        """From the next frame on keep every ``divisor``-th of the frames that the target rate selects; 1 keeps all."""
        if divisor != self._state.divisor:
            self._state = replace(self._state, divisor=divisor)

    def sample(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames that are kept."""
        return (frame for frame in frames if self.keep(frame.ts_ms))

    def state(self) -> SamplerState:
        """Return what :meth:`restore` needs to go on from here."""
        return self._state

    def restore(self, state: SamplerState) -> None:
        """Go on from ``state``. If it was made for another rate, a new grid starts at its newest kept frame."""
        if state.target_fps != self._state.target_fps and state.anchor_ms is not None:
            state = replace(state, anchor_ms=state.newest_kept_ms, next_point=1)
        self._state = replace(state, target_fps=self._state.target_fps)

    def _is_nearest(self, ts_ms: int, anchor_ms: int) -> bool:
        """Whether the next grid point is reached, or the frame after this one is expected to be further from it."""
        missing = (anchor_ms - ts_ms) * self._scale + self._state.next_point * self._period
        gap = max(0, ts_ms - self._state.newest_seen_ms) * self._scale
        return 2 * missing <= min(gap, self._period)

    def _point_after(self, ts_ms: int, anchor_ms: int) -> int:
        # A frame up to a quarter period short of a grid point serves that point too; else two kept frames could be a
        # moment apart.
        reached = (4 * (ts_ms - anchor_ms) * self._scale + self._period) // (4 * self._period)
        return max(self._state.next_point, reached) + 1
