"""All figures of one run, on one engine of this process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from hermes_ray.bench.events import finding, load
from hermes_ray.bench.events.plan import Plan
from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.config import MemorySettings
from hermes_ray.engine import StreamEngine

SCHEMA = "hermes-bench-events/1"

_Part = Callable[[StreamEngine, Plan, Progress], Awaitable[Iterator[Figure]]]
_PARTS: tuple[_Part, ...] = (load.measure, finding.measure)
"""The one that needs an idle machine comes first, so that whoever waits for it knows when it is over."""


def measure(model: str, plan: Plan, told: Progress) -> Iterator[Figure]:
    """Every figure, each as soon as it is known.

    Args:
        model: directory, hub name or bundled name.
        plan: how much to do.
        told: what is being measured.
    """
    memory = MemorySettings(budget_tokens=plan.budget_tokens, slots=plan.cameras)
    with StreamEngine.from_pretrained(model, memory=memory) as engine:
        for part in _PARTS:
            yield from asyncio.run(_whole(part, engine, plan, told))


async def _whole(part: _Part, engine: StreamEngine, plan: Plan, told: Progress) -> list[Figure]:
    return list(await part(engine, plan, told))
