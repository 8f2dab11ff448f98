"""Answers per second against askers, and who waits how long for the first token."""

from collections.abc import Sequence
from pathlib import Path

from hermes_ray.bench.serving.level import Level

_WAYS = {"engine": "engine alone", "json": "HTTP, JSON", "sse": "HTTP, events"}


def draw(levels: Sequence[Level], path: Path) -> None:
    """Draw both curves for every way of asking.

    Args:
        levels: of one run.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    rates, waits = figure.subplots(1, 2)
    for way, label in _WAYS.items():
        own = [level for level in levels if level.way == way and level.outcomes.answered]
        askers = [level.askers for level in own]
        rates.plot(askers, [level.answers_per_s for level in own], marker="o", label=label)
        waits.plot(askers, [level.first_token_ms(50) for level in own], marker="o", label=label)
    rates.set(xscale="log", xlabel="askers at once", ylabel="answers per second", ylim=(0, None))
    waits.set(xscale="log", yscale="log", xlabel="askers at once", ylabel="first token, median, ms")
    waits.set_title("JSON: the whole answer", fontsize=9)
    for axes in (rates, waits):
        axes.grid(alpha=0.3, which="both")
    rates.legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
