"""What it costs to keep a memory within its budget, beside what the released code does for it."""

from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.memory.workload import Workload
from hermes_ray.bench.statistics import median, times_ms
from hermes_ray.bench.streams import DirectStreams

_STREAM = "camera"


def measure(workload: Workload, progress: Progress, *, repetitions: int, bars: bool) -> Iterator[Figure]:
    """Encode the same frame with and without a compaction behind it, in turns; the difference is what it costs.

    What part of ingest it is, ``hermes bench engine`` measures.

    Args:
        workload: model and budget.
        progress: told what is going on.
        repetitions: pairs to time.
        bars: whether the promises hold for this workload.
    """
    progress(f"{workload.name}: encoding frames with and without compaction")
    tokens, freed = workload.bank.tokens_per_frame, int(workload.memory().compaction_slack * workload.budget)
    frames_between = freed // tokens + 1  # the last of them exceeds the budget
    times = _in_turns(workload, repetitions)
    cost = max(0.0, median([b - a for a, b in zip(times["full"], times["compacting"], strict=True)]))
    detail = {"compaction_ms": cost, "frames_between_compactions": frames_between, "pairs": repetitions}
    progress(f"{workload.name}: the released code's three scoring passes")
    passes = median(_three_passes(workload, repetitions))
    once = passes + median(_eviction_alone(workload, repetitions))
    yield Figure(
        "reference_passes_over_compaction",
        workload.name,
        frames_between * once / max(cost, 1e-6),
        "x",
        Bar(3, at_most=False) if bars else None,
        detail | {"three_passes_ms": passes, "three_passes_and_eviction_ms": once, "per_event": once / max(cost, 1e-6)},
        "cost per frame of a live stream, which the released code scores at every chunk of frames (here: every frame) "
        "and this engine once per slack; `per_event` compares one compaction with one",
    )


def _in_turns(workload: Workload, repetitions: int) -> dict[str, list[float]]:
    """Times of one frame's pass: onto a memory that it fills, and with a compaction behind."""
    streams = DirectStreams(workload.adapter, workload.memory())
    streams.open(_STREAM)
    just_full = workload.budget - workload.bank.tokens_per_frame
    cases = {"full": just_full, "compacting": just_full + 1}
    times: dict[str, list[float]] = {case: [] for case in cases}
    for repetition in range(repetitions + 1):
        for case, held in cases.items():
            streams.fill(_STREAM, held)
            began = perf_counter()
            streams.write({_STREAM: [workload.bank.block(repetition)]})
            if repetition > 0:
                times[case].append((perf_counter() - began) * 1000)
    return times


def _three_passes(workload: Workload, repetitions: int) -> list[float]:
    """The global prompt, the local prompt, and both, each read on its own upon a full memory whose keys are rotated."""
    streams = DirectStreams(workload.adapter, workload.memory())
    streams.open(_STREAM)
    streams.fill(_STREAM, workload.budget)
    guidance = workload.adapter.guidance
    with torch.inference_mode():
        prompts = [
            workload.adapter.question(text)
            for text in (guidance.narrative, guidance.present, f"{guidance.present} {guidance.narrative}")
        ]
    return streams.reading_times_ms(_STREAM, prompts, repetitions)


def _eviction_alone(workload: Workload, repetitions: int) -> list[float]:
    """Selecting and moving tokens, without any scoring pass."""
    streams = DirectStreams(workload.adapter, workload.memory(policy="sink_window"))
    streams.open(_STREAM)
    streams.fill(_STREAM, workload.budget)
    view = streams.view(_STREAM)
    keep = int(workload.budget * (1 - workload.memory().compaction_slack))
    return times_ms(partial(_gather_newest, view.keys, view.values, keep), repetitions)


def _gather_newest(keys: Tensor, values: Tensor, keep: int) -> Sequence[Tensor]:
    indices = torch.arange(keys.shape[2] - keep, keys.shape[2])
    return keys[:, :, indices], values[:, :, indices]
