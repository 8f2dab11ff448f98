"""Runs the measurement of evidence."""

from dataclasses import asdict
from typing import Any

from rich.table import Table

from hermes_ray import models
from hermes_ray.bench.accuracy.evidence import Grounds, Shares, examine, shares
from hermes_ray.bench.accuracy.items import FIRST_SEED, evaluation_stream
from hermes_ray.cli.bench.progress import count_progress
from hermes_ray.cli.console.output import result_console
from hermes_ray.config import MemorySettings

_MOMENTS, _PER_CATEGORY = 4, 1


def run_evidence(model: str, *, streams: int, frames: int, budget: float) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Raises:
        MissingWeights: no such model.
    """
    adapter = models.load(model)
    kept = max(1, round(budget / 100 * frames / adapter.frames_per_block))
    memory = MemorySettings(budget_tokens=kept * adapter.max_tokens_per_block, slots=1)
    found: list[Grounds] = []
    with count_progress() as progress:
        for seed in progress.track(range(FIRST_SEED, FIRST_SEED + streams)):
            found += examine(adapter, evaluation_stream(seed, frames, _MOMENTS, _PER_CATEGORY), memory)
    summary = shares(found)
    result_console().print(_table(summary))
    plan = {"model": model, "streams": streams, "frames": frames, "budget_percent": budget, "policy": memory.policy}
    return {
        "schema": "hermes-bench-evidence/1",
        "plan": plan,
        "shares": {name: asdict(of_group) for name, of_group in summary.items()},
    }


def _table(summary: dict[str, Shares]) -> Table:
    columns = ("questions", "answers", "right", "a named frame shows it", "the heaviest does", "by weight", "by chance")
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    for name, group in summary.items():
        figures = (group.correct, group.any_named, group.heaviest, group.weight, group.by_chance)
        table.add_row(name, str(group.answers), *(f"{figure:.0%}" for figure in figures))
    return table
