"""First tokens at every moment, and many askers, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ALONE = "transformers"
_WAITS = {
    _ALONE: ("transformers_ttft", None),
    "alone": ("ttft_alone", None),
    "last of eight": ("ttft_last_of_8", None),
    "while frames come, p50": ("loaded_p99_ttft_over_idle_p50", "loaded_p50_ms"),
    "while frames come, p99": ("loaded_p99_ttft_over_idle_p50", "loaded_p99_ms"),
}
_HEIGHT = 0.8


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw what there is of a run.

    Args:
        document: from :func:`hermes_ray.bench.engine.run.report`.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    modes = [part["mode"] for part in document["parts"] if part["part"] == "engine"]
    levels = document["levels"]
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    waits, *rates = figure.subplots(1, 2 if levels else 1, squeeze=False)[0]
    _draw_waits(waits, document["figures"], modes)
    for axes in rates:
        _draw_rates(axes, levels, modes)
    figure.suptitle(f"{document['model']['name']} on {document['model']['device_name'] or 'CPU'}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_waits(axes: Any, figures: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> None:
    """A group of bars for each moment that is known, a bar of it for each mode."""
    times = {mode: _times(figures, mode) for mode in modes}
    alone = {label: ms for label, ms in _times(figures, "").items() if label == _ALONE}
    known = [label for label in _WAITS if label in alone or any(label in own for own in times.values())]
    height = _HEIGHT / max(1, len(modes))
    for number, (mode, own) in enumerate(times.items()):
        engine = {label: ms for label, ms in own.items() if label != _ALONE}
        offset = (number - (len(modes) - 1) / 2) * height
        places = [known.index(label) + offset for label in engine]
        bars = axes.barh(places, list(engine.values()), height=0.9 * height, label=mode or "engine")
        axes.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
    bars = axes.barh([known.index(label) for label in alone], list(alone.values()), height=_HEIGHT / 2, color="0.6")
    axes.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
    axes.set_yticks(range(len(known)), known)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="first token after, ms")
    axes.grid(alpha=0.3)
    if modes:
        axes.legend(fontsize=8)


def _draw_rates(axes: Any, levels: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> None:
    """A curve for each mode."""
    for mode in modes:
        own = [level for level in levels if level["mode"] == mode]
        askers, per_s = [level["askers"] for level in own], [level["tokens_per_s"] for level in own]
        axes.plot(askers, per_s, marker="o", label=mode or "engine")
    axes.set(xscale="log", xlabel="askers at once", ylabel="tokens per second", ylim=(0, None))
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)


def _times(figures: Sequence[Mapping[str, Any]], mode: str) -> dict[str, float]:
    """Milliseconds that are known of a mode, by their label; those without a mode end with the dtype."""
    found = {each["name"]: each for each in figures if each["model"].endswith(mode)}
    return {
        label: found[name]["value"] if detail is None else found[name]["detail"][detail]
        for label, (name, detail) in _WAITS.items()
        if name in found
    }
