"""Whether standing questions find what happens."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from time import perf_counter

from hermes_ray.bench.events.cameras import Camera, Watcher
from hermes_ray.bench.events.plan import Plan
from hermes_ray.bench.events.truth import Score, episodes, score
from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.statistics import median, percentile, wilson_interval
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.event import EventKind

_AT_ONCE = 10
"""Frames of each camera that are shown together."""


async def measure(engine: StreamEngine, plan: Plan, told: Progress) -> Iterator[Figure]:
    """Show every camera's video and compare what was found with what happened."""
    watcher = Watcher(engine, plan.questions(plan.every_s))
    cameras = [Camera(watcher, number) for number in range(plan.cameras)]
    count, seconds = round(60 * plan.minutes * plan.fps), 60 * plan.minutes
    matches: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    watching_s = 0.0
    for first in range(0, count, _AT_ONCE):
        told(f"{plan.cameras} cameras, {first / plan.fps / 60:.1f} of {plan.minutes:g} min of video")
        times_s = [number / plan.fps for number in range(first, min(first + _AT_ONCE, count))]
        films = await asyncio.gather(*(asyncio.to_thread(camera.film, times_s) for camera in cameras))
        began_s = perf_counter()
        shown = (camera.show(film, times_s) for camera, film in zip(cameras, films, strict=True))
        for events in await asyncio.gather(*shown):
            for event in events:
                if event.kind is EventKind.MATCH:
                    matches[event.stream_id, event.rule].append(event.captured_ms / 1000)
        watching_s += perf_counter() - began_s
    scores = {
        (camera.stream, f"{colour}-{kind}"): score(
            episodes(camera.world, f"{colour} {kind}", seconds),
            matches[camera.stream, f"{colour}-{kind}"],
            seconds,
            plan.every_s,
        )
        for camera in cameras
        for colour, kind in plan.things
    }
    for camera in cameras:
        engine.drop(camera.stream)
    asked = watcher.meters.read().evaluations["asked"]
    return _figures(engine.adapter.name, list(scores.values()), asked, watching_s, count * plan.cameras)


def _figures(model: str, scores: list[Score], asked: int, watching_s: float, frames: int) -> Iterator[Figure]:
    matches, right = sum(one.matches for one in scores), sum(one.right for one in scores)
    happened, found = sum(one.episodes for one in scores), sum(one.found for one in scores)
    delays = [delay for one in scores for delay in one.delays_s]
    yield _share("precision", model, right, matches, "matches that were told while the thing was in view")
    yield _share("recall", model, found, happened, "episodes as long as two evaluations at least, with a match")
    if delays:
        worst = {"p90_s": percentile(delays, 90), "largest_s": max(delays), "events": len(delays)}
        note = "from the moment the thing's centre enters the picture to the frame that the match rests on, of video"
        yield Figure("delay", model, median(delays), "s", detail=worst, note=note)
    detail = {"evaluations": asked, "frames": frames, "seconds": watching_s}
    yield Figure("evaluations_per_frame", model, asked / frames, "x", detail=detail)


def _share(name: str, model: str, part: int, whole: int, note: str) -> Figure:
    low, high = wilson_interval(part, whole)
    detail = {"of": whole, "low_percent": 100 * low, "high_percent": 100 * high}
    return Figure(name, model, 100 * part / whole if whole else 0.0, "%", detail=detail, note=f"{note}; 95 % interval")
