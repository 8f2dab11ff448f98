"""Draws the accuracy over a training run: ``python -m training.curve --out docs/images/hermes-tiny-training.png``."""

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt

from hermes_ray.video.world import TASKS
from training.run import DEFAULT_DIRECTORY

_COLOURS = {"now": "tab:blue", "past": "tab:red", "count": "tab:green"}


def draw(lines: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw one thin line per task, a thick one per topic, and where the clips grew longer."""
    asked = [line for line in lines if line["stage"] > 0]
    minutes = [line["elapsed_s"] / 60 for line in asked]
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for topic, colour in _COLOURS.items():
        tasks = [task for task, (of, _) in TASKS.items() if of == topic]
        for task in tasks:
            axes.plot(minutes, [line["accuracy"][task] for line in asked], color=colour, alpha=0.25, linewidth=0.8)
        mean = [sum(line["accuracy"][task] for task in tasks) / len(tasks) for line in asked]
        axes.plot(minutes, mean, color=colour, linewidth=2.2, label=topic)
    for before, after in pairwise(asked):
        if after["stage"] != before["stage"]:
            axes.axvline(after["elapsed_s"] / 60, color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="minutes of training", ylabel="right answers, running average over training", ylim=(0, 1))
    axes.set_title("hermes-tiny in training (dotted: longer clips begin)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", type=Path, default=DEFAULT_DIRECTORY / "metrics.jsonl")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    draw([json.loads(line) for line in options.metrics.read_text(encoding="utf-8").splitlines()], options.out)


if __name__ == "__main__":
    main()
