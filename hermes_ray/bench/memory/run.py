"""All performance figures of one run, in order."""

from collections.abc import Iterator

from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.memory import alternatives, compaction, endurance, footprint, load, throughput
from hermes_ray.bench.memory.plan import Plan
from hermes_ray.bench.memory.workload import Workload, large_workload, small_workload


def figures(plan: Plan, progress: Progress) -> Iterator[Figure]:
    """Measure everything, first on the small model, then at the 0.5B shape; each figure as soon as it is known."""
    yield from _small(small_workload(), plan, progress)
    progress("building a random decoder of LLaVA-OneVision-0.5B's shape")
    large = large_workload(layers=plan.layers, vocabulary=plan.vocabulary, budget=plan.budget)
    yield from _large(large, plan, progress)


def _small(workload: Workload, plan: Plan, progress: Progress) -> Iterator[Figure]:
    yield from endurance.measure(workload, plan, progress)
    yield from footprint.measure(workload)
    yield from alternatives.measure(
        workload,
        progress,
        repetitions=plan.repetitions,
        recompute_frames=plan.recompute_frames,
        retrieval_frames=plan.retrieval_frames,
    )
    yield from compaction.measure(workload, progress, repetitions=plan.repetitions, bars=False)
    yield from throughput.measure(workload, progress, streams=plan.ingest_streams, frames=plan.ingest_frames)
    yield from load.measure(workload, progress, questions=plan.load_questions)


def _large(workload: Workload, plan: Plan, progress: Progress) -> Iterator[Figure]:
    yield from footprint.measure(workload)
    yield from alternatives.measure(
        workload,
        progress,
        repetitions=plan.large_repetitions,
        recompute_frames=plan.large_recompute_frames,
        retrieval_frames=plan.large_retrieval_frames,
    )
    yield from compaction.measure(workload, progress, repetitions=plan.large_repetitions, bars=True)
    if plan.large_ingest_frames:
        yield from throughput.measure(workload, progress, streams=plan.ingest_streams, frames=plan.large_ingest_frames)
