"""What is found, how soon, and what it costs live cameras and people, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hermes_ray.bench.figures import Figure

_SHARES = {
    "precision": "standing question: matches that are right",
    "recall": "standing question: episodes that are told",
    "search_precision": "search: lines that are right",
    "search_recall": "search: episodes that are found",
}
_WAITS = {"frames_wait_longer": "frame askable", "people_wait_longer": "person's first token"}
_QUANTILES = {"median": "median", "p95": "p95"}
_HEIGHT = 0.36


def draw(found: Sequence[Figure], path: Path) -> None:
    """Draw the figures of a run.

    Args:
        found: all of them.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib import figure as drawing

    by_name = {figure.name: figure for figure in found}
    picture = drawing.Figure(figsize=(10, 5.6), layout="constrained")
    halves: Any = picture.subfigures(2, 1, height_ratios=(1, 1.15))
    shares, below = halves
    _draw_shares(shares.subplots(), by_name)
    soon, waits = below.subplots(1, 2)
    _draw_delay(soon, by_name.get("delay"))
    _draw_waits(waits, by_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)


def _draw_shares(axes: Any, figures: Mapping[str, Figure]) -> None:
    """Each share with its interval."""
    known = [name for name in _SHARES if name in figures]
    for place, name in enumerate(known):
        figure = figures[name]
        low, high = figure.detail["low_percent"], figure.detail["high_percent"]
        axes.plot((low, high), (place, place), color=f"C{place // 2}", linewidth=5, alpha=0.35)
        axes.plot(figure.value, place, "o", color=f"C{place // 2}")
        label = f"{figure.value:.1f} % of {figure.detail['of']}"
        axes.annotate(label, (figure.value, place), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(known)), [_SHARES[name] for name in known], fontsize=9)
    axes.set(ylim=(len(known) - 0.5, -0.7), xlim=(0, 108), xlabel="percent, with the 95 % interval")
    axes.grid(alpha=0.3)


def _draw_delay(axes: Any, delay: Figure | None) -> None:
    """How many of the episodes that are told are told by when."""
    axes.set(ylim=(0, 112), ylabel="of those told, percent")
    axes.set_title("how long after the thing came", fontsize=9)
    if delay is None:
        axes.text(0.5, 0.5, "nothing was told", ha="center", transform=axes.transAxes)
        return
    soon = {
        name.removeprefix("within_").removesuffix("_s_percent"): percent
        for name, percent in delay.detail.items()
        if name.startswith("within_")
    }
    bars = axes.bar([f"{seconds} s" for seconds in soon], list(soon.values()), width=0.6)
    axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=2)
    axes.set(xlabel=f"within; median {delay.value:.1f} s, of video")
    axes.grid(alpha=0.3, axis="y")


def _draw_waits(axes: Any, figures: Mapping[str, Figure]) -> None:
    """What cameras and people wait for, without standing questions and with them."""
    rows = [(name, quantile) for name in _WAITS if name in figures for quantile in _QUANTILES]
    for number, (kind, colour) in enumerate((("without", "0.6"), ("with", "C0"))):
        values = [figures[name].detail[f"{kind}_{quantile}_ms"] for name, quantile in rows]
        places = [row + (number - 0.5) * _HEIGHT for row in range(len(rows))]
        bars = axes.barh(places, values, height=0.9 * _HEIGHT, color=colour, label=f"{kind} standing questions")
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=8, padding=2)
    axes.set_yticks(range(len(rows)), [f"{_WAITS[name]}, {_QUANTILES[q]}" for name, q in rows], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set(xlabel="ms")
    axes.set_title("what live cameras and people wait", fontsize=9)
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize=8)
