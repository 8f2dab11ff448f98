"""What standing questions and searches should have found, and what they did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hermes_ray.video.world import World

_EDGE_S = 1.0
"""So long before its centre enters the picture, and after it leaves, people may disagree whether a thing is in view."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A time during which a thing is in view without a pause, seconds of world time."""

    begin_s: float
    end_s: float

    def covers(self, t_s: float) -> bool:
        """Whether a match at that time is right."""
        return self.meets(t_s, t_s)

    def meets(self, begin_s: float, end_s: float) -> bool:
        """Whether the thing was in view at some moment between these two."""
        return begin_s <= self.end_s + _EDGE_S and end_s >= self.begin_s - _EDGE_S

    def lasts(self, every_s: float, until_s: float) -> bool:
        """Whether whoever looks so often until then cannot have missed it: by nobody's fault, that is."""
        return self.end_s - self.begin_s >= 2 * every_s and self.end_s <= until_s


@dataclass(frozen=True, slots=True)
class Score:
    """How one standing question did on one camera, or the search for one thing.

    Attributes:
        matches: that were told, or lines that were found.
        right: of these, while the thing was in view.
        episodes: of the thing, as long as two evaluations at least.
        found: of these, with a match or a line.
        delays_s: from the coming of the thing to the frame that the match rests on, seconds of video; none of a search.
    """

    matches: int
    right: int
    episodes: int
    found: int
    delays_s: tuple[float, ...] = ()


def episodes(world: World, name: str, seconds: float) -> list[Episode]:
    """When a thing, such as ``red car``, is in view; overlapping visits are one episode.

    Args:
        world: the scene.
        name: of the thing.
        seconds: length of the video.
    """
    found: list[Episode] = []
    for visit in (visit for visit in world.visits(0.0, seconds) if visit.name == name):
        if visit.came_s > seconds:
            continue
        if found and visit.came_s <= found[-1].end_s + 2 * _EDGE_S:
            found[-1] = Episode(found[-1].begin_s, max(found[-1].end_s, visit.gone_s))
        else:
            found.append(Episode(visit.came_s, visit.gone_s))
    return found


def score(truth: Sequence[Episode], matches_s: Iterable[float], seconds: float, every_s: float) -> Score:
    """Compare matches with the truth.

    Args:
        truth: of one thing on one camera.
        matches_s: when matches were told, world time.
        seconds: length of the video.
        every_s: how often it was asked. Shorter episodes, and those at the end of the video, may have been missed by
            nobody's fault; what is told of them is right all the same.
    """
    told = list(matches_s)
    fair = [one for one in truth if one.lasts(every_s, seconds)]
    first = [min((t_s for t_s in told if one.covers(t_s)), default=None) for one in fair]
    delays = tuple(max(0.0, t_s - one.begin_s) for one, t_s in zip(fair, first, strict=True) if t_s is not None)
    right = sum(any(one.covers(t_s) for one in truth) for t_s in told)
    return Score(len(told), right, len(fair), len(delays), delays)


def score_search(
    truth: Sequence[Episode], spans_s: Sequence[tuple[float, float]], window_s: tuple[float, float], every_s: float
) -> Score:
    """Compare what one search has found with the truth.

    Args:
        truth: of the thing on the camera.
        spans_s: of the lines that were found, from when to when each is about, world time.
        window_s: the time that was searched. Episodes count that lie in it, as long as two lines at least: what others
            leave behind may be in the next window's lines.
        every_s: how often a line was written.
    """
    begin_s, end_s = window_s
    fair = [one for one in truth if begin_s <= one.begin_s and one.lasts(every_s, end_s)]
    right = sum(any(one.meets(*span) for one in truth) for span in spans_s)
    found = sum(any(one.meets(*span) for span in spans_s) for one in fair)
    return Score(len(spans_s), right, len(fair), found)
