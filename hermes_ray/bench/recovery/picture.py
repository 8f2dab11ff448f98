"""Recovery times as a picture: for each kind of fault the share of streams that were back by then."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hermes_ray.bench.recovery.measures import Measured
from hermes_ray.bench.recovery.plan import Kind

_LABELS: Mapping[Kind, str] = {
    Kind.MEMORY: "memory worker killed, another takes over",
    Kind.MEMORY_WAITS: "memory worker killed, its streams wait for it",
    Kind.INGEST: "ingest worker killed",
    Kind.COORDINATOR: "Coordinator killed",
    Kind.MOVE: "streams moved (longest lag)",
}


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Draw cumulative distributions, behind faults and, thin, at ordinary moments.

    Args:
        measured: at least one fault.
        path: a file whose ending matplotlib knows, such as ``.png``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
    kinds = [kind for kind in Kind if any(each.fault.kind is kind for each in measured)]
    for number, kind in enumerate(kinds):
        own = [each for each in measured if each.fault.kind is kind]
        taken = [value for each in own for value in each.recovery_s.values()]
        usual = [value for each in own for value in each.ordinary_s.values()]
        label = _LABELS[kind]
        axes.ecdf(taken, label=f"{label}, {len(own)} times", color=f"C{number}", linewidth=2)
        axes.ecdf(usual, color=f"C{number}", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlabel="until a new frame can be asked about, s", ylabel="share of the affected streams")
    axes.set_title("dotted: the same without a fault", fontsize=9)
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
