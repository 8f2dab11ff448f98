"""What standing questions cost live cameras and people who ask, and what one evaluation costs."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hermes_ray.bench.events.cameras import Camera, Watcher
from hermes_ray.bench.events.plan import Plan
from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.engine import Question, StreamEngine

_PAUSE_S = 0.25
_PERSONS = Question("what is in view now ?", max_tokens=12)
_SLOWER = 1.1
_IN_TIME_S = 1.0


@dataclass(slots=True)
class Load:
    """What was measured in the rounds of one kind.

    Attributes:
        waits_s: from a frame's time to its being askable, evaluations included, seconds.
        ttft_ms: of people's questions.
        evaluations: that were asked.
        evaluating_s: how long frames waited for them.
    """

    waits_s: list[float] = field(default_factory=list)
    ttft_ms: list[float] = field(default_factory=list)
    evaluations: int = 0
    evaluating_s: float = 0.0


async def measure(engine: StreamEngine, plan: Plan, told: Progress) -> Iterator[Figure]:
    """Live cameras and one person who asks again and again, without standing questions and with them, in turns."""
    loads = {False: Load(), True: Load()}
    for number, standing in enumerate((False, True, True, False)):
        told(f"live load {'with' if standing else 'without'} standing questions, round {number + 1} of 4")
        await _round(engine, plan, loads[standing], standing=standing)
    return _figures(engine.adapter.name, loads[False], loads[True])


async def _round(engine: StreamEngine, plan: Plan, load: Load, *, standing: bool) -> None:
    watcher = Watcher(engine, plan.questions(plan.load_every_s) if standing else ())
    cameras = [Camera(watcher, number) for number in range(plan.cameras)]
    times_s = [number / plan.load_fps for number in range(max(1, round(plan.load_seconds * plan.load_fps)))]
    films = [camera.film(times_s) for camera in cameras]
    for camera, film in zip(cameras, films, strict=True):
        await camera.show(film[:1], [-1.0])  # so that people can ask, and nothing is due at once for all
    began_s = perf_counter()
    over = asyncio.Event()
    person = asyncio.create_task(_ask(engine, cameras[0].stream, load, over))
    await asyncio.gather(
        *(_live(camera, film, times_s, began_s, load) for camera, film in zip(cameras, films, strict=True))
    )
    over.set()
    await person
    counts = watcher.meters.read()
    load.evaluations += counts.evaluations["asked"]
    load.evaluating_s += counts.evaluation.total
    for camera in cameras:
        engine.drop(camera.stream)


async def _live(
    camera: Camera, film: Sequence[NDArray[np.uint8]], times_s: Sequence[float], began_s: float, load: Load
) -> None:
    """Show each picture at its time, or as soon as the one before it is in the memory."""
    for image, t_s in zip(film, times_s, strict=True):
        await asyncio.sleep(max(0.0, began_s + t_s - perf_counter()))
        await camera.show([image], [t_s])
        load.waits_s.append(perf_counter() - began_s - t_s)


async def _ask(engine: StreamEngine, stream: str, load: Load, over: asyncio.Event) -> None:
    """Ask once at least, and until the round is over: on a slow machine the first answer may outlast a short round."""
    while True:
        answer = await asyncio.wrap_future(engine.ask(stream, _PERSONS).outcome)
        load.ttft_ms.append(answer.ttft_ms)
        if over.is_set():
            return
        await asyncio.sleep(_PAUSE_S)


def _figures(model: str, without: Load, with_them: Load) -> Iterator[Figure]:
    yield _slower("frames_wait_longer", model, without.waits_s, with_them.waits_s, 1000, None)
    in_time = [sum(wait <= _IN_TIME_S for wait in load.waits_s) / len(load.waits_s) for load in (without, with_them)]
    yield Figure(
        "frames_in_time",
        model,
        in_time[1] / in_time[0] if in_time[0] else 0.0,
        "x",
        Bar(1 / _SLOWER, at_most=False),
        {"without_share": in_time[0], "with_share": in_time[1], "frames": len(with_them.waits_s)},
        f"share of frames askable within {_IN_TIME_S:g} s of their time, with standing questions against without",
    )
    yield _slower("people_wait_longer", model, without.ttft_ms, with_them.ttft_ms, 1, Bar(_SLOWER, at_most=True))
    yield Figure(
        "evaluation",
        model,
        1000 * with_them.evaluating_s / max(1, with_them.evaluations),
        "ms",
        detail={"evaluations": with_them.evaluations},
        note="how long frames of a stream wait, for each evaluation of it, under live load; several are read together",
    )


def _slower(
    name: str, model: str, without: Sequence[float], with_them: Sequence[float], to_ms: float, bar: Bar | None
) -> Figure:
    detail: dict[str, float] = {}
    for kind, values in (("without", without), ("with", with_them)):
        detail |= {f"{kind}_median_ms": to_ms * median(values), f"{kind}_p95_ms": to_ms * percentile(values, 95)}
    value = median(with_them) / median(without)
    return Figure(name, model, value, "x", bar, detail, "medians, with standing questions against without")
