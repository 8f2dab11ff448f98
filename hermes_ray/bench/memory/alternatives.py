"""Time to the first token against the two ways of answering without a bounded memory."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.memory.retrieval import FrameStore, Retriever
from hermes_ray.bench.memory.workload import Workload
from hermes_ray.bench.statistics import median, times_ms
from hermes_ray.bench.streams import DirectStreams

_STREAM = "camera"
_PICKED_FRAMES = 64


def measure(
    workload: Workload, progress: Progress, *, repetitions: int, recompute_frames: int, retrieval_frames: int
) -> Iterator[Figure]:
    """Ask a full memory, then the same question the other two ways.

    Args:
        workload: model and budget.
        progress: told what is going on.
        repetitions: of the memory and of retrieval; re-encoding is repeated a third as often.
        recompute_frames: frames that re-encoding encodes per question.
        retrieval_frames: frames that retrieval picks from.
    """
    question = workload.question()
    progress(f"{workload.name}: asking a full memory of {workload.budget} tokens per layer")
    ours = median(times_ms(partial(_full_memory(workload).first_logits, _STREAM, question), repetitions))
    progress(f"{workload.name}: re-encoding {recompute_frames} frames per question")
    again = partial(_recompute, workload, question, recompute_frames)
    recomputed = median(times_ms(again, max(1, repetitions // 3), warm_up=0))
    yield Figure(
        "ttft_speedup_over_reencoding",
        workload.name,
        recomputed / ours,
        "x",
        Bar(10, at_most=False),
        {"ttft_ms": ours, "reencoding_ttft_ms": recomputed, "frames_reencoded": recompute_frames},
        "vision features given to both sides" + ("" if recompute_frames >= 64 else "; 64 frames would take longer"),
    )
    progress(f"{workload.name}: retrieving {_PICKED_FRAMES} of {retrieval_frames} frames per question")
    retriever = Retriever(workload.adapter, _random_store(workload, retrieval_frames), _PICKED_FRAMES)
    retrieved = median(times_ms(partial(retriever.first_logits, question), repetitions))
    yield Figure(
        "ttft_speedup_over_retrieval",
        workload.name,
        retrieved / ours,
        "x",
        Bar(1, at_most=False),
        {
            "ttft_ms": ours,
            "retrieval_ttft_ms": retrieved,
            "frames_in_host_memory": retrieval_frames,
            "frames_picked_per_layer": _PICKED_FRAMES,
        },
        "retrieval in the manner of ReKV; on a GPU its frames would also cross the bus",
    )


def _full_memory(workload: Workload) -> DirectStreams:
    streams = DirectStreams(workload.adapter, workload.memory())
    streams.open(_STREAM)
    streams.fill(_STREAM, workload.budget)
    return streams


def _recompute(workload: Workload, question: Tensor, frames: int) -> None:
    budget = frames * workload.bank.tokens_per_frame
    streams = DirectStreams(workload.adapter, workload.memory(policy="full", budget_tokens=budget))
    streams.open(_STREAM)
    streams.write({_STREAM: workload.bank.blocks(frames)})
    streams.first_logits(_STREAM, question)


def _random_store(workload: Workload, frames: int) -> FrameStore:
    shape = workload.adapter.decoder.shape
    generator = torch.Generator().manual_seed(3)
    size = (shape.layers, frames, shape.kv_heads, workload.bank.tokens_per_frame, shape.head_dim)
    keys, values = torch.randn(size, generator=generator), torch.randn(size, generator=generator)
    with torch.inference_mode():
        prefix = workload.adapter.prefix().shape[0]
    beginning = torch.randn((2, shape.layers, shape.kv_heads, prefix, shape.head_dim), generator=generator)
    return FrameStore.of(keys, values, beginning[0], beginning[1])
