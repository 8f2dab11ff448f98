"""One run: the engine alone at every level of load, then the whole system over HTTP."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Protocol

from hermes_ray.bench.recovery.cameras import Cameras
from hermes_ray.bench.serving.engine_alone import EngineAlone
from hermes_ray.bench.serving.http_askers import HttpAskers
from hermes_ray.bench.serving.level import Level, Outcomes
from hermes_ray.bench.serving.plan import Plan
from hermes_ray.bench.serving.processes import own_cpu_s, system_cpu_s
from hermes_ray.client import HermesClient
from hermes_ray.config import Settings
from hermes_ray.errors import NotReady

SCHEMA = "hermes-bench-serving/1"

_FILL_LIMIT_S = 300.0
_LOOK_S = 0.5
_LONGEST_S = 120.0
"""Of a level on a machine that is too slow for the plan's time."""


class Askers(Protocol):
    """People who ask in one way."""

    outcomes: Outcomes

    async def ask_for_ever(self, number: int) -> None:
        """Be one of them until cancelled."""
        ...


def engine_levels(plan: Plan, doing: Callable[[str], None]) -> Iterator[Level]:
    """The engine alone, in this process."""
    doing("engine: filling the memories")
    with EngineAlone(plan) as askers:
        for count in plan.engine_askers:
            doing(f"engine, {count} askers")
            yield asyncio.run(measure(askers, "engine", count, plan, own_cpu_s))


def http_levels(plan: Plan, settings: Settings, url: str, doing: Callable[[str], None]) -> Iterator[Level]:
    """The system that runs there, whose cameras begin now.

    Raises:
        NotReady: the memories do not fill.
    """
    cameras = Cameras(settings.kafka, plan.stream_ids(), plan.fps)
    cameras.start()
    try:
        doing("filling the memories")
        _wait_until_filled(plan, url)
        for count in plan.askers:
            for way in ("json", "sse"):
                doing(f"{way}, {count} askers")
                askers = HttpAskers(url, plan, streamed=way == "sse")
                yield asyncio.run(measure(askers, way, count, plan, system_cpu_s))
                cameras.check()
    finally:
        cameras.close()


async def measure(askers: Askers, way: str, count: int, plan: Plan, cpu_s: Callable[[], Mapping[str, float]]) -> Level:
    """Let so many ask for the plan's time, and longer until there is an answer and a reply for each on average.

    Refusals and failures of the warm-up count, its answers do not.
    """
    asking = [asyncio.create_task(askers.ask_for_ever(number)) for number in range(count)]
    try:
        await _let(asking, plan.warm_up_s)
        warm_up = askers.outcomes
        askers.outcomes = Outcomes(refused=warm_up.refused, failed=warm_up.failed, dropped=warm_up.dropped)
        before, began_s = cpu_s(), perf_counter()
        await _let(asking, plan.seconds)
        while not (askers.outcomes.answered and askers.outcomes.replies >= count):
            await _let(asking, _LOOK_S)
            if perf_counter() - began_s > _LONGEST_S:
                break
        seconds, after, outcomes = perf_counter() - began_s, cpu_s(), askers.outcomes
        askers.outcomes = Outcomes()
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    used = {process: after[process] - before[process] for process in after if process in before}
    return Level(way, count, seconds, outcomes, used)


async def _let(asking: Sequence["asyncio.Task[None]"], seconds: float) -> None:
    done, _ = await asyncio.wait(asking, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()  # nobody stops asking but by an error


def _wait_until_filled(plan: Plan, url: str) -> None:
    deadline_s = time.monotonic() + _FILL_LIMIT_S
    with HermesClient(url) as client:
        while True:
            seen = {stream.id: stream.frames_seen for stream in client.streams()}
            if all(seen.get(stream, 0) >= plan.fill_frames for stream in plan.stream_ids()):
                return
            if time.monotonic() > deadline_s:
                raise NotReady(f"after {_FILL_LIMIT_S:g} s the memories have seen {seen}")
            time.sleep(_LOOK_S)
