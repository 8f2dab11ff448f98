"""Whether a search through journals finds what happened, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil
from time import perf_counter

from hermes_ray.bench.events.archive import Archive
from hermes_ray.bench.events.cameras import Camera
from hermes_ray.bench.events.plan import Plan
from hermes_ray.bench.events.shares import precision, recall
from hermes_ray.bench.events.truth import Score, episodes, score_search
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.events.kept import KeptEvent


@dataclass(slots=True)
class Searched:
    """What searches have found.

    Attributes:
        scores: one for each search, by camera.
        took_s: one for each search.
        events: in the database that was searched.
    """

    events: int
    scores: Mapping[str, Sequence[Score]]
    took_s: list[float] = field(default_factory=list)


def search(archive: Archive, cameras: Sequence[Camera], plan: Plan) -> Searched:
    """Search the journal of every camera for everything that its world may show, window by window."""
    scores: dict[str, list[Score]] = {camera.stream: [] for camera in cameras}
    searched = Searched(archive.events, scores)
    seconds, window_s = 60 * plan.minutes, 60 * plan.window_minutes
    begins = [number * window_s for number in range(ceil(seconds / window_s))]
    for camera in cameras:
        for colour, kind in product(camera.world.colours, camera.world.kinds):
            truth = episodes(camera.world, f"{colour} {kind}", seconds)
            for begin_s in begins:
                end_s = min(begin_s + window_s, seconds)
                began_s = perf_counter()
                lines = archive.journal(camera.stream, f"{colour} {kind}", begin_s, end_s)
                searched.took_s.append(perf_counter() - began_s)
                spans = [_span(line) for line in lines]
                scores[camera.stream].append(score_search(truth, spans, (begin_s, end_s), plan.every_s))
    return searched


def figures(model: str, searched: Searched) -> Iterator[Figure]:
    """What searches are worth, and what they cost."""
    found = "lines that a search for a thing finds, of a time at which it was in view"
    yield precision("search_precision", model, searched.scores, found)
    happened = "episodes as long as two lines at least, of which a search through the minutes around them finds a line"
    yield recall("search_recall", model, searched.scores, happened)
    took_ms = [1000 * took_s for took_s in searched.took_s]
    detail = {"p95_ms": percentile(took_ms, 95), "searches": len(took_ms), "events": searched.events}
    note = "all pages of one search, SQLite, beside nothing else"
    yield Figure("search", model, median(took_ms), "ms", detail=detail, note=note)


def _span(line: KeptEvent) -> tuple[float, float]:
    """From when to when a line is about, world time."""
    event = line.event
    begin_ms = event.captured_ms if event.since_ms is None else event.since_ms
    return begin_ms / 1000, event.captured_ms / 1000
