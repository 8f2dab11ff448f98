"""What it costs to keep memories within their budget."""

from collections.abc import Iterator
from time import perf_counter

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median
from hermes_ray.errors import NotMeasurable

_LEAST = 2
_LONGEST = 8


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """Steps of one frame of every stream, one after the other: those in which memories are compacted take longer."""
    bench.doing("compactions")
    plain, compacting, compactions = _steps(bench, watched)
    usual = median(plain)
    each = max(0.0, (sum(compacting) - usual * len(compacting)) / compactions)
    per_step = watched.streams / watched.cycle
    yield bench.figure(
        "compaction_share_of_ingest",
        100 * each * per_step / (usual + each * per_step),
        "%",
        {
            "compaction_ms": each,
            "step_ms": usual,
            "frames_per_step": watched.streams,
            "frames_between_compactions": watched.cycle,
            "steps": len(plain) + len(compacting),
            "compactions": compactions,
        },
        "what steps with compactions take longer than the median of those without, spread over the frames between",
    )


def _steps(bench: Bench, watched: Watched) -> tuple[list[float], list[float], int]:
    """Milliseconds of steps without and with compactions, and how many there were in these."""
    plain: list[float] = []
    compacting: list[float] = []
    compactions, before = 0, watched.compactions()
    began_s = perf_counter()
    for _ in range(_LONGEST * watched.cycle):
        if perf_counter() - began_s > bench.plan.seconds and min(len(plain), len(compacting)) >= _LEAST:
            return plain, compacting, compactions
        bench.subject.wait()
        step_s = perf_counter()
        for frame in watched.show_all():
            frame.result(LIMIT_S)
        bench.subject.wait()
        taken_ms = (perf_counter() - step_s) * 1000
        after = watched.compactions()
        (compacting if after > before else plain).append(taken_ms)
        compactions, before = compactions + after - before, after
    if min(len(plain), len(compacting)) < _LEAST:
        raise NotMeasurable(
            f"{len(plain)} steps without a compaction and {len(compacting)} with one cannot be compared; "
            "give a larger --budget"
        )
    return plain, compacting, compactions
