"""The whole comparison: streams in batches, each batch through every policy, in one or several processes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from typing import Any

import torch

from hermes_ray import models
from hermes_ray.bench.accuracy.bars import bars
from hermes_ray.bench.accuracy.evaluation import EncodedStream, Outcome, Stopwatch, encode_stream, evaluate
from hermes_ray.bench.accuracy.footage import USUAL, Footage
from hermes_ray.bench.accuracy.items import FIRST_SEED, EvaluationStream, count_by_category, evaluation_stream
from hermes_ray.bench.accuracy.journal import Journal, Unit
from hermes_ray.bench.accuracy.scores import Result
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
        per_category: items per category at each of them.
        batch: streams that are watched together; changes speed, not results.
        footage: what streams look like, how much happens, and which of their frames are encoded.
    """

    model: str
    streams: int = 200
    frames: int = 500
    budgets_percent: tuple[float, ...] = (5, 12, 25, 50)
    policies: tuple[str, ...] | None = None
    moments: int = 4
    per_category: int = 1
    batch: int = 10
    footage: Footage = USUAL


def evaluation_streams(plan: Plan) -> list[EvaluationStream]:
    """The streams of a plan."""
    seeds = range(FIRST_SEED, FIRST_SEED + plan.streams)
    return [evaluation_stream(seed, plan.frames, plan.moments, plan.per_category, plan.footage) for seed in seeds]


def plan_variants(plan: Plan, adapter: ModelAdapter) -> list[Variant]:
    """The policies and budgets of a plan, for a model's size of frames; without peers where frames lose tokens."""
    frame_tokens = adapter.max_tokens_per_block
    blocks = plan.frames // adapter.frames_per_block
    found = variants(plan.budgets_percent, blocks * frame_tokens, frame_tokens, plan.policies)
    if plan.footage.patches == "keep":
        return found
    dropping = {"unchanged_patches": plan.footage.patches}
    return [replace(one, settings={**one.settings, **dropping}) for one in found if not one.is_peer]


@dataclass(frozen=True, slots=True)
class Part:
    """One batch of streams under one policy.

    Attributes:
        streams: which ones.
        variant: the policy.
    """

    streams: tuple[EvaluationStream, ...]
    variant: Variant

    @property
    def unit(self) -> Unit:
        """What it is called in a journal."""
        settings = json.dumps(dict(self.variant.settings), sort_keys=True)
        seeds = tuple(stream.seed for stream in self.streams)
        return Unit(seeds, self.variant.policy, self.variant.budget_percent, settings)


def outcomes(
    plan: Plan,
    streams: Sequence[EvaluationStream],
    compared: Sequence[Variant],
    *,
    workers: int,
    finished: Callable[[Variant, Stopwatch | None], None],
    journal: Journal | None = None,
) -> Iterator[Outcome]:
    """Run the comparison.

    Args:
        plan: its size.
        streams: which ones.
        compared: the policies.
        workers: processes, each with one torch thread; 1 works in this process.
        finished: told, in this process, what has just been done and how fast: each batch under each policy,
            :func:`units` in all. What the journal had was not measured.
        journal: what is in it is not done again, and what is done is written into it.
    """
    done = journal.done if journal else {}
    parts = [Part(batch, variant) for batch in _batches(plan, streams) for variant in compared]
    for part in parts:
        if part.unit in done:
            yield from done[part.unit]
            finished(part.variant, None)
    for part, found, stopwatch in _evaluate_all(plan.model, [part for part in parts if part.unit not in done], workers):
        if journal:
            journal.record(part.unit, found)
        yield from found
        finished(part.variant, stopwatch)


def _evaluate_all(model: str, parts: Sequence[Part], workers: int) -> Iterator[tuple[Part, list[Outcome], Stopwatch]]:
    if workers == 1:
        for part in parts:
            yield part, *_evaluate(model, part)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_use_one_thread) as pool:
        running = {pool.submit(_evaluate, model, part): part for part in parts}
        for future in as_completed(running):
            yield running[future], *future.result()


def units(plan: Plan, streams: Sequence[EvaluationStream], compared: Sequence[Variant]) -> int:
    """How often :func:`outcomes` reports progress."""
    return len(_batches(plan, streams)) * len(compared)


def _batches(plan: Plan, streams: Sequence[EvaluationStream]) -> list[tuple[EvaluationStream, ...]]:
    return [tuple(streams[first : first + plan.batch]) for first in range(0, len(streams), plan.batch)]


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def _evaluate(model: str, part: Part) -> tuple[list[Outcome], Stopwatch]:
    stopwatch = Stopwatch()
    return evaluate(_load(model), _encode(model, part.streams), part.variant, stopwatch=stopwatch), stopwatch


@lru_cache(maxsize=1)
def _encode(model: str, batch: tuple[EvaluationStream, ...]) -> tuple[EncodedStream, ...]:
    """One batch behind the vision tower; the next comes when all policies are evaluated, so one is remembered."""
    return tuple(encode_stream(_load(model), stream) for stream in batch)


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
    size = {name: getattr(plan, name) for name in ("frames", "moments", "per_category")}
    if plan.footage != USUAL:  # journals of the usual footage do not say so
        size["footage"] = plan.footage.to_dict()
    return {"schema": SCHEMA, **size, "weights": fingerprint(adapter.decoder)}


def report(
    machine: Machine,
    plan: Plan,
    streams: Sequence[EvaluationStream],
    found: Sequence[Result],
    *,
    quick: bool,
    seconds: float,
    speeds: Mapping[tuple[str, float], Stopwatch],
) -> dict[str, Any]:
    """All of one comparison as a JSON document; ``speeds`` by policy and budget, of what was not in a journal."""
    return {
        "schema": SCHEMA,
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": asdict(machine),
        "plan": asdict(plan),
        "items": count_by_category(streams),
        "results": [result.to_dict() for result in found],
        "frames_per_s": [
            {"policy": policy, "budget_percent": percent, "value": watch.frames / watch.seconds}
            for (policy, percent), watch in speeds.items()
        ],
        "bars": [bar.to_dict() for bar in bars(found)],
    }
