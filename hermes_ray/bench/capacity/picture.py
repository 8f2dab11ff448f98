"""Lag and time to first token against cameras, and what was busy."""

from collections.abc import Sequence
from pathlib import Path

from hermes_ray.bench.capacity.level import Level
from hermes_ray.bench.capacity.plan import Plan

_PARTS = ("decode", "vision", "decoder", "answers", "network", "broker", "cores")


def draw(plan: Plan, levels: Sequence[Level], path: Path) -> None:
    """Draw both for every setting.

    Args:
        plan: of the run.
        levels: of it.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * (1 + len(plan.unchanged)), 3.8), layout="constrained")
    waits, *busy = figure.subplots(1, 1 + len(plan.unchanged))
    for unchanged, axes in zip(plan.unchanged, busy, strict=True):
        own = sorted((level for level in levels if level.unchanged == unchanged), key=lambda level: level.cameras)
        cameras = [level.cameras for level in own]
        # What was never asked about has no lag to draw; the line ends.
        waits.plot(cameras, [level.lag_s(99) for level in own], marker="o", label=f"{unchanged}: lag, p99")
        ttft_s = [level.to_dict()["ttft_p95_s"] for level in own]
        waits.plot(cameras, ttft_s, marker="x", linestyle="--", label=f"{unchanged}: first token, p95")
        for part in _PARTS:
            shares = [level.shares()[part] for level in own]
            if any(share is not None for share in shares):
                axes.plot(cameras, shares, marker=".", label=part)
        axes.set(xlabel="cameras", ylim=(0, 1.05), title=f"busy, share of the time ({unchanged})")
        axes.legend(fontsize=7)
    waits.axhline(plan.max_lag_s, color="grey", linewidth=0.8)
    waits.set(xlabel="cameras", ylabel="seconds", ylim=(0, 2 * max(plan.max_lag_s, plan.max_ttft_s)))
    waits.legend(fontsize=7)
    for axes in (waits, *busy):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
