"""First tokens at every moment, and many askers, as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WAITS = {
    "transformers": ("transformers_ttft", None),
    "alone": ("ttft_alone", None),
    "last of eight": ("ttft_last_of_8", None),
    "while frames come, p50": ("loaded_p99_ttft_over_idle_p50", "loaded_p50_ms"),
    "while frames come, p99": ("loaded_p99_ttft_over_idle_p50", "loaded_p99_ms"),
}


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw what there is of a run.

    Args:
        document: from :func:`hermes_ray.bench.engine.run.report`.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    modes = list(dict.fromkeys(part["mode"] for part in document["parts"] if part["part"] == "engine")) or [""]
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    waits, rates = figure.subplots(1, 2)
    for number, mode in enumerate(modes):
        times = _waits(document, mode)
        places = [list(_WAITS).index(name) + 0.4 * number for name in times]
        bars = waits.barh(places, list(times.values()), height=0.36, label=mode or "engine")
        waits.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
        levels = [level for level in document["levels"] if level["mode"] == mode]
        askers = [level["askers"] for level in levels]
        rates.plot(askers, [level["tokens_per_s"] for level in levels], marker="o", label=mode or "engine")
    waits.set_yticks([place + 0.2 * (len(modes) - 1) for place in range(len(_WAITS))], list(_WAITS))
    waits.invert_yaxis()
    waits.set(xlabel="first token after, ms")
    rates.set(xscale="log", xlabel="askers at once", ylabel="tokens per second", ylim=(0, None))
    for axes in (waits, rates):
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    figure.suptitle(f"{document['model']['name']} on {document['model']['device_name'] or 'CPU'}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _waits(document: Mapping[str, Any], mode: str) -> dict[str, float]:
    """Milliseconds that are known."""
    found = {figure["name"]: figure for figure in document["figures"] if mode in ("", _mode(figure))}
    found |= {figure["name"]: figure for figure in document["figures"] if figure["name"] == "transformers_ttft"}
    return {
        label: found[name]["value"] if detail is None else found[name]["detail"][detail]
        for label, (name, detail) in _WAITS.items()
        if name in found
    }


def _mode(figure: Mapping[str, Any]) -> str:
    return figure["model"].split(", ", 2)[-1]
