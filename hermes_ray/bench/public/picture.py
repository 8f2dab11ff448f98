"""The overall score and every split as a picture: ours in colour, what others published hatched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hermes_ray.bench.public.datasets.dataset import Dataset
from hermes_ray.bench.public.published import Published, published
from hermes_ray.bench.public.scores import Result, Score


def draw(dataset: Dataset, found: Sequence[Result], path: Path) -> None:
    """Draw one panel for each split, and one overall where there are several.

    Args:
        dataset: the benchmark.
        found: the results.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    others = published(dataset.name)
    panels = [*dataset.tasks, *(["overall"] if len(dataset.tasks) > 1 else [])]
    bars = len(found) + len(others)
    figure = Figure(figsize=(4 * len(panels) + 2, 1.2 + 0.32 * bars), layout="constrained")
    for column, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), column + 1)
        for row, result in enumerate(found):
            _draw_ours(axes, row, result.overall if panel == "overall" else result.splits[panel])
        for row, other in enumerate(others):
            value = other.overall if panel == "overall" else other.splits.get(panel)
            axes.barh(len(found) + row, value or 0, color="lightgrey", hatch="//", height=0.7)
        names = [*(result.contender for result in found), *map(_name, others)]
        axes.set_yticks(range(bars), labels=names if column == 0 else [""] * bars, fontsize=8)
        axes.invert_yaxis()
        axes.set(title=panel, xlabel="percent, 95 % interval", xlim=(0, 100))
        axes.grid(alpha=0.3, axis="x")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_ours(axes: Any, row: int, score: Score) -> None:
    if score.value is None:
        return
    low, high = score.interval or (score.value, score.value)
    # An interval of resampled videos need not hold a value that is at the border.
    errors = [[100 * max(0.0, score.value - low)], [100 * max(0.0, high - score.value)]]
    axes.barh(row, 100 * score.value, xerr=errors, color="C0" if row == 0 else "C1", height=0.7, capsize=2)


def _name(other: Published) -> str:
    return f"{other.method}, {other.model}"
