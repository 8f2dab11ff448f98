"""Accuracy against budget as a picture: one panel per category of questions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hermes_ray.bench.accuracy.items import CATEGORIES, Category
from hermes_ray.bench.accuracy.scores import Result
from hermes_ray.bench.accuracy.variants import DEFAULT
from hermes_ray.errors import ConfigError

_TITLES: dict[Category, str] = {
    "now": "what is in view now",
    "recent": "the recent past",
    "distant": "the distant past",
    "count": "counting",
}
_STYLES = [(f"C{colour}", marker) for marker in "os^" for colour in range(10)]
"""Colour and marker, different for more policies than there are."""


def draw(found: Sequence[Result], path: Path) -> None:
    """Draw the policies; the default's own variants are left to the table.

    Args:
        found: the results.
        path: a file whose ending matplotlib knows, such as ``.png``.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("--picture needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    drawn = [result for result in found if not result.variant.is_of_default]
    policies = dict.fromkeys(result.variant.policy for result in drawn)
    styles = dict(zip(policies, _STYLES, strict=False))
    for column, category in enumerate(CATEGORIES):
        axes = figure.add_subplot(1, len(CATEGORIES), column + 1)
        for policy, style in styles.items():
            _draw_policy(axes, [result for result in drawn if result.variant.policy == policy], category, style)
        axes.set(title=_TITLES[category], xlabel="cached tokens, % of the stream", ylim=(-0.02, 1.02))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("right answers, 95 % interval")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_policy(axes: Any, own: Sequence[Result], category: Category, style: tuple[str, str]) -> None:
    if own[0].variant.highlights:
        label = f"{own[0].variant.policy}: the model's limit"
        axes.axhline(own[0].scores[category].accuracy, label=label, color="grey", linestyle="--")
        return
    scores = [result.scores[category] for result in own]
    accuracies = [score.accuracy for score in scores]
    below = [score.accuracy - score.interval[0] for score in scores]
    above = [score.interval[1] - score.accuracy for score in scores]
    policy = own[0].variant.policy
    budgets = [result.variant.budget_percent for result in own]
    colour, marker = style
    width, layer = (2.5, 3) if policy == DEFAULT else (1.0, 2)
    axes.errorbar(
        budgets,
        accuracies,
        yerr=(below, above),
        label=policy,
        color=colour,
        marker=marker,
        linewidth=width,
        zorder=layer,
        markersize=4,
        capsize=2,
    )
