"""What happens in front of the simulated camera: which things come, when, where they go and how the light is.

A :class:`World` is a pure function of its seed. Time is cut into blocks that are drawn independently of each other,
so a stream may run for ever at bounded memory and any moment can be computed without its past. No visit crosses the
border of a block.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

KINDS = ("car", "truck", "bus", "bike", "person", "dog")
COLOURS = ("red", "green", "blue", "yellow", "white", "purple")

SIZES = {
    "car": (0.32, 0.17),
    "truck": (0.38, 0.24),
    "bus": (0.46, 0.24),
    "bike": (0.22, 0.20),
    "person": (0.11, 0.27),
    "dog": (0.20, 0.15),
}
"""Width and height of each kind, as fractions of the picture's."""

TRACK_CENTRES = (0.20, 0.50, 0.81)
"""Height of the pavement and the two lanes, fraction of the picture from the top."""
_VEHICLES = ("car", "truck", "bus")

BLOCK_S = 30.0
MIN_SEPARATION_S = 1.3
"""Two things never come within this time of each other, so a camera at 1 frame/s or more can tell their order."""

_LEAD_S = 1.0  # more than the time from a thing's front to its centre, so that no block's first thing comes too early
_LIGHT_PERIOD_S = 600.0
_LIVELY = 0.514
"""Share of time with something to be seen, of blocks that are not quiet; measured over a thousand of them."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One thing that enters, crosses the picture, perhaps stops on its way, and leaves.

    Attributes:
        came_s: when its centre enters the picture, seconds of world time.
        gone_s: when its centre leaves the picture.
        direction: 1 moves to the right, -1 to the left.
        track: index into :data:`TRACK_CENTRES`.
        y: height of its centre, fraction of the picture from the top.
        crossing_s: time its centre needs from border to border while moving.
        stop_x: where it stops, as a fraction of its way; meaningless when ``stop_s`` is 0.
        stop_s: how long it stands there.
    """

    kind: str
    colour: str
    came_s: float
    gone_s: float
    direction: int
    track: int
    y: float
    crossing_s: float
    stop_x: float
    stop_s: float

    @property
    def name(self) -> str:
        """Colour and kind, such as ``red car``."""
        return f"{self.colour} {self.kind}"

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as fractions of the picture's."""
        return SIZES[self.kind]

    def x(self, t_s: float) -> float:
        """Return where its centre is: 0 is the left border of the picture, 1 the right one."""
        moving_s = t_s - self.came_s
        stops_after_s = self.stop_x * self.crossing_s
        if moving_s > stops_after_s:
            moving_s = max(stops_after_s, moving_s - self.stop_s)
        way = moving_s / self.crossing_s
        return way if self.direction > 0 else 1.0 - way

    def visible(self, t_s: float) -> float:
        """Return the share of its width that is inside the picture, 0 to 1."""
        half = self.size[0] / 2
        centre = self.x(t_s)
        inside = min(1.0, centre + half) - max(0.0, centre - half)
        return max(0.0, inside) / (2 * half)


@dataclass(frozen=True, slots=True)
class Traffic:
    """How busy a world is.

    Attributes:
        mean_gap_s: mean pause after a visit before the next one, seconds.
        quiet_share: share of blocks in which nothing comes at all.
        overlap_share: share of visits that begin while the one before is still in view.
        kinds: kinds that come in this world; 0 means all. Fewer make coincidences (two red things, two cars) frequent.
        colours: likewise for colours.
    """

    mean_gap_s: float = 2.5
    quiet_share: float = 0.1
    overlap_share: float = 0.3
    kinds: int = 0
    colours: int = 0

    @classmethod
    def empty(cls, share: float) -> Self:
        """Traffic that leaves the picture empty for about this share of the time, and is as usual for the rest.

        Args:
            share: 0.5 to 1; 0.9 is a camera at which something happens now and then.

        Raises:
            ValueError: out of range: usual traffic leaves the picture empty for half of the time.
        """
        if not 0.5 <= share <= 1:
            raise ValueError(f"share must be 0.5 to 1, not {share}")
        return cls(quiet_share=max(0.0, 1 - (1 - share) / _LIVELY))


class World:
    """The camera's scene for ever: visits and light at any moment, from a seed.

    Args:
        seed: everything is a function of it, of ``traffic`` and of time.
        traffic: how busy it is.
    """

    def __init__(self, seed: int, traffic: Traffic | None = None) -> None:
        self.seed = seed
        self.traffic = traffic or Traffic()
        rng = np.random.default_rng([seed, 1])
        self.kinds = tuple(rng.permutation(KINDS)[: self.traffic.kinds or len(KINDS)].tolist())
        self.colours = tuple(rng.permutation(COLOURS)[: self.traffic.colours or len(COLOURS)].tolist())
        self._light_phase = float(rng.uniform())
        self._block = lru_cache(maxsize=64)(self._draw_block)

    def visits(self, start_s: float, end_s: float) -> list[Visit]:
        """Return the visits during which any part of the thing may be seen between the two times, by time of coming."""
        first = max(0, math.floor(start_s / BLOCK_S))
        last = math.floor(end_s / BLOCK_S)
        return [visit for block in range(first, last + 1) for visit in self._block(block)]

    def daylight(self, t_s: float) -> float:
        """Return the light: 1 is noon, 0 is midnight. A day lasts ten minutes."""
        wave = math.cos(2 * math.pi * (t_s / _LIGHT_PERIOD_S + self._light_phase))
        return 0.5 + 0.5 * math.tanh(2 * wave) / math.tanh(2)

    def _draw_block(self, block: int) -> tuple[Visit, ...]:
        rng = np.random.default_rng([self.seed, 2, block])
        if rng.uniform() < self.traffic.quiet_share:
            return ()
        begin, end = block * BLOCK_S, (block + 1) * BLOCK_S
        visits: list[Visit] = []
        came_s = begin + _LEAD_S + rng.exponential(self.traffic.mean_gap_s)
        while True:
            visit = self._draw_visit(rng, came_s, taken=visits[-1].track if visits else None)
            margin_s = visit.size[0] * visit.crossing_s  # the tail leaves after the centre
            if visit.gone_s + margin_s > end:
                return tuple(visits)
            visits.append(visit)
            came_s = self._next_arrival(rng, visits)

    def _draw_visit(self, rng: np.random.Generator, came_s: float, taken: int | None) -> Visit:
        kind = str(rng.choice(self.kinds))
        tracks = [track for track in ((1, 2) if kind in _VEHICLES else (0, 1, 2)) if track != taken]
        track = int(rng.choice(tracks))
        crossing_s = float(rng.uniform(2.2, 3.8))
        stop_s = float(rng.uniform(0.8, 3.0)) if rng.uniform() < 0.25 else 0.0
        return Visit(
            kind=kind,
            colour=str(rng.choice(self.colours)),
            came_s=came_s,
            gone_s=came_s + crossing_s + stop_s,
            direction=1 if rng.uniform() < 0.5 else -1,
            track=track,
            y=TRACK_CENTRES[track] + float(rng.uniform(-0.025, 0.025)),
            crossing_s=crossing_s,
            stop_x=float(rng.uniform(0.25, 0.75)),
            stop_s=stop_s,
        )

    def _next_arrival(self, rng: np.random.Generator, visits: list[Visit]) -> float:
        newest = visits[-1]
        # A tail must have left its track, and at most two things are ever in view together.
        clear_s = max(visit.gone_s + visit.size[0] * visit.crossing_s for visit in visits[-2:])
        others_gone_s = max((v.gone_s + v.size[0] * v.crossing_s for v in visits[-2:-1]), default=0.0)
        if rng.uniform() < self.traffic.overlap_share:
            earliest_s = max(newest.came_s + MIN_SEPARATION_S, others_gone_s + 1.0)
            return earliest_s + float(rng.uniform(0.0, 1.0))
        return clear_s + 1.0 + float(rng.exponential(self.traffic.mean_gap_s))
