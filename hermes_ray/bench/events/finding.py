"""Whether standing questions, and searches through journals, find what happens."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from hermes_ray.bench.events import searching
from hermes_ray.bench.events.archive import Archive
from hermes_ray.bench.events.cameras import Camera, Watcher
from hermes_ray.bench.events.plan import Plan
from hermes_ray.bench.events.shares import precision, recall
from hermes_ray.bench.events.truth import Score, episodes, score
from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.event import EventKind

_AT_ONCE = 10
"""Frames of each camera that are shown together."""
_SOON_S = (1, 2, 3, 5, 10)

_Matches = Mapping[tuple[str, str], Sequence[float]]
"""When matches were told, by camera and standing question, seconds of video."""


async def measure(engine: StreamEngine, plan: Plan, told: Progress) -> Iterator[Figure]:
    """Show every camera's video, and compare what was found, and what is found later, with what happened."""
    watcher = Watcher(engine, plan.questions(plan.every_s), plan.journal())
    cameras = [Camera(watcher, number) for number in range(plan.cameras)]
    with TemporaryDirectory(prefix="hermes-bench-") as folder, Archive(Path(folder)) as archive:
        began_s = perf_counter()
        matches = await _watch(cameras, plan, archive, told)
        watching_s = perf_counter() - began_s
        for camera in cameras:
            engine.drop(camera.stream)
        told(f"searching {archive.events} events")
        searched = await asyncio.to_thread(searching.search, archive, cameras, plan)
    found = [*_figures(engine.adapter.name, plan, cameras, matches), *searching.figures(engine.adapter.name, searched)]
    frames = plan.cameras * _frames(plan)
    asked = watcher.meters.read().evaluations["asked"]
    detail = {"evaluations": asked, "frames": frames, "seconds": watching_s}
    note = "standing questions and lines of the journal"
    return iter([*found, Figure("evaluations_per_frame", engine.adapter.name, asked / frames, "x", None, detail, note)])


async def _watch(cameras: Sequence[Camera], plan: Plan, archive: Archive, told: Progress) -> _Matches:
    matches: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    count = _frames(plan)
    for first in range(0, count, _AT_ONCE):
        told(f"{plan.cameras} cameras, {first / plan.fps / 60:.1f} of {plan.minutes:g} min of video")
        times_s = [number / plan.fps for number in range(first, min(first + _AT_ONCE, count))]
        films = await asyncio.gather(*(asyncio.to_thread(camera.film, times_s) for camera in cameras))
        shown = (camera.show(film, times_s) for camera, film in zip(cameras, films, strict=True))
        events = [event for found in await asyncio.gather(*shown) for event in found]
        await asyncio.to_thread(archive.keep, events)
        for event in events:
            if event.kind is EventKind.MATCH:
                matches[event.stream_id, event.rule].append(event.captured_ms / 1000)
    return matches


def _frames(plan: Plan) -> int:
    return round(60 * plan.minutes * plan.fps)


def _figures(model: str, plan: Plan, cameras: Sequence[Camera], matches: _Matches) -> Iterator[Figure]:
    scores = {camera.stream: [_score(camera, name, plan, matches) for name in plan.names()] for camera in cameras}
    yield precision("precision", model, scores, "matches that were told while the thing was in view")
    yield recall("recall", model, scores, "episodes as long as two evaluations at least, with a match")
    delays = [delay for of_camera in scores.values() for one in of_camera for delay in one.delays_s]
    if delays:
        detail: dict[str, float] = {"p90_s": percentile(delays, 90), "largest_s": max(delays), "events": len(delays)}
        soon = {f"within_{limit}_s_percent": 100 * sum(d <= limit for d in delays) / len(delays) for limit in _SOON_S}
        note = "from the moment the thing's centre enters the picture to the frame that the match rests on, of video"
        yield Figure("delay", model, median(delays), "s", detail=detail | soon, note=note)


def _score(camera: Camera, name: str, plan: Plan, matches: _Matches) -> Score:
    seconds = 60 * plan.minutes
    told = matches.get((camera.stream, name.replace(" ", "-")), ())
    return score(episodes(camera.world, name, seconds), told, seconds, plan.every_s)
