"""The whole comparison: streams in batches, each batch through every policy, in one or several processes."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import torch

from hermes_ray import models
from hermes_ray.bench.accuracy.bars import bars
from hermes_ray.bench.accuracy.exam import FIRST_SEED, Exam, count_by_category, set_exam
from hermes_ray.bench.accuracy.journal import Journal, Unit
from hermes_ray.bench.accuracy.marks import Result
from hermes_ray.bench.accuracy.sitting import Outcome, SeenStream, see, sit
from hermes_ray.bench.accuracy.variants import Variant, variants
from hermes_ray.bench.machine import Machine
from hermes_ray.models import ModelAdapter, fingerprint

SCHEMA = "hermes-bench-accuracy/1"


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one comparison.

    Attributes:
        model: directory, hub name or bundled name.
        streams: how many; their seeds are fixed.
        frames: of each stream, at one frame per second.
        budgets_percent: cached tokens as a share of the stream's, percent.
        policies: only these; ``None`` for all.
        moments: frames of each stream at which it is asked.
        per_category: questions per category at each of them.
        batch: streams that are watched together; changes speed, not results.
    """

    model: str
    streams: int = 200
    frames: int = 500
    budgets_percent: tuple[float, ...] = (5, 12, 25, 50)
    policies: tuple[str, ...] | None = None
    moments: int = 4
    per_category: int = 1
    batch: int = 10


def exams(plan: Plan) -> list[Exam]:
    """The streams and questions of a plan."""
    seeds = range(FIRST_SEED, FIRST_SEED + plan.streams)
    return [set_exam(seed, plan.frames, plan.moments, plan.per_category) for seed in seeds]


def plan_variants(plan: Plan, adapter: ModelAdapter) -> list[Variant]:
    """The policies and budgets of a plan, for a model's size of frames."""
    frame_tokens = adapter.max_tokens_per_block
    blocks = plan.frames // adapter.frames_per_block
    return variants(plan.budgets_percent, blocks * frame_tokens, frame_tokens, plan.policies)


@dataclass(frozen=True, slots=True)
class Part:
    """One batch of streams under one policy.

    Attributes:
        exams: its streams.
        variant: the policy.
    """

    exams: tuple[Exam, ...]
    variant: Variant

    @property
    def unit(self) -> Unit:
        """What it is called in a journal."""
        settings = json.dumps(dict(self.variant.settings), sort_keys=True)
        seeds = tuple(exam.seed for exam in self.exams)
        return Unit(seeds, self.variant.policy, self.variant.budget_percent, settings)


def outcomes(
    plan: Plan,
    of: Sequence[Exam],
    compared: Sequence[Variant],
    *,
    workers: int,
    finished: Callable[[str], None],
    journal: Journal | None = None,
) -> Iterator[Outcome]:
    """Run the comparison.

    Args:
        plan: its size.
        of: the streams.
        compared: the policies.
        workers: processes, each with one torch thread; 1 works in this process.
        finished: told, in this process, what has just been done: each batch under each policy, :func:`units` in all.
        journal: what is in it is not done again, and what is done is written into it.
    """
    done = journal.done if journal else {}
    parts = [Part(batch, variant) for batch in _batches(plan, of) for variant in compared]
    for part in parts:
        if part.unit in done:
            yield from done[part.unit]
            finished(part.variant.policy)
    for part, found in _sit_all(plan.model, [part for part in parts if part.unit not in done], workers):
        if journal:
            journal.record(part.unit, found)
        yield from found
        finished(part.variant.policy)


def _sit_all(model: str, parts: Sequence[Part], workers: int) -> Iterator[tuple[Part, list[Outcome]]]:
    if workers == 1:
        for part in parts:
            yield part, _sit(model, part)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_use_one_thread) as pool:
        running = {pool.submit(_sit, model, part): part for part in parts}
        for future in as_completed(running):
            yield running[future], future.result()


def units(plan: Plan, of: Sequence[Exam], compared: Sequence[Variant]) -> int:
    """How often :func:`outcomes` reports progress."""
    return len(_batches(plan, of)) * len(compared)


def _batches(plan: Plan, of: Sequence[Exam]) -> list[tuple[Exam, ...]]:
    return [tuple(of[first : first + plan.batch]) for first in range(0, len(of), plan.batch)]


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _sit(model: str, part: Part) -> list[Outcome]:
    return sit(_load(model), _see(model, part.exams), part.variant)


@lru_cache(maxsize=1)
def _see(model: str, batch: tuple[Exam, ...]) -> tuple[SeenStream, ...]:
    """One batch behind the vision tower; all policies sit it before the next one, so one is enough to remember."""
    return tuple(see(_load(model), exam) for exam in batch)


@lru_cache(maxsize=1)
def _load(model: str) -> ModelAdapter:
    return models.load(model, device="cpu", dtype="float32")


def load_model(plan: Plan) -> ModelAdapter:
    """The model of a plan; loaded once per process.

    Raises:
        MissingWeights: it is not there.
    """
    return _load(plan.model)


def subject(plan: Plan, adapter: ModelAdapter) -> dict[str, Any]:
    """Everything beside streams and policies that decides the outcomes of a plan, for its journal."""
    exam = {name: getattr(plan, name) for name in ("frames", "moments", "per_category")}
    return {"schema": SCHEMA, **exam, "weights": fingerprint(adapter.decoder)}


def report(
    machine: Machine, plan: Plan, of: Sequence[Exam], found: Sequence[Result], *, quick: bool, seconds: float
) -> dict[str, Any]:
    """All of one comparison as a JSON document."""
    return {
        "schema": SCHEMA,
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": asdict(machine),
        "plan": asdict(plan),
        "questions": count_by_category(of),
        "results": [result.to_dict() for result in found],
        "bars": [bar.to_dict() for bar in bars(found)],
    }
