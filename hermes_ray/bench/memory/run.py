"""All performance figures of one run, in order, and how long they take."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.memory import alternatives, compaction, endurance, footprint
from hermes_ray.bench.memory.plan import Plan
from hermes_ray.bench.memory.workload import Workload, large_workload, small_workload

# Frames per second on two cores that do nothing else: only for telling how long a run will take.
_SMALL_FRAMES_PER_S = 230.0
_LARGE_FRAMES_PER_S = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """Some figures that are measured together.

    Attributes:
        seconds: what they take, roughly, on two cores that do nothing else.
        measure: does it; each figure comes as soon as it is known.
    """

    seconds: float
    measure: Callable[[Progress], Iterator[Figure]]


class _Models:
    """The models of one run, each built when it is first needed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @cached_property
    def small(self) -> Workload:
        return small_workload()

    @cached_property
    def large(self) -> Workload:
        plan = self._plan
        return large_workload(layers=plan.layers, vocabulary=plan.vocabulary, budget=plan.budget)


def parts(plan: Plan) -> Sequence[Part]:
    """Everything that is measured, first on the small model, then at the 0.5B shape."""
    models = _Models(plan)
    return [*_small(models, plan), *_large(models, plan)]


def _small(models: _Models, plan: Plan) -> Iterator[Part]:
    frame_s = 1 / _SMALL_FRAMES_PER_S
    shown, asked = sum(plan.stream_frames), len(plan.stream_frames) * plan.questions
    again = plan.recompute_frames * plan.repetitions / 5
    yield Part((shown + asked) * frame_s + 0.015 * asked, lambda told: endurance.measure(models.small, plan, told))
    yield Part(1, lambda _: footprint.measure(models.small))
    yield Part(
        again * frame_s + 0.1 * plan.repetitions,
        lambda told: alternatives.measure(
            models.small,
            told,
            repetitions=plan.repetitions,
            recompute_frames=plan.recompute_frames,
            retrieval_frames=plan.retrieval_frames,
        ),
    )
    yield Part(
        0.1 * plan.repetitions,
        lambda told: compaction.measure(models.small, told, repetitions=plan.repetitions, bars=False),
    )


def _large(models: _Models, plan: Plan) -> Iterator[Part]:
    frame_s = 1 / _LARGE_FRAMES_PER_S
    yield Part(8, lambda _: footprint.measure(models.large))
    yield Part(
        plan.large_recompute_frames * frame_s + 15 * (plan.large_repetitions + 1),
        lambda told: alternatives.measure(
            models.large,
            told,
            repetitions=plan.large_repetitions,
            recompute_frames=plan.large_recompute_frames,
            retrieval_frames=plan.large_retrieval_frames,
        ),
    )
    yield Part(
        5 * (plan.large_repetitions + 1) * frame_s,
        lambda told: compaction.measure(models.large, told, repetitions=plan.large_repetitions, bars=True),
    )
