"""Time to the first token against other ways of answering: re-encoding, and three peers that work at question time.

The memory is asked in turns with each of them, so that whatever else slows the machine slows both alike.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.memory.workload import Workload
from hermes_ray.bench.peers.dscache import RAW_FRAMES, RawRing
from hermes_ray.bench.peers.livevlm import SHARE_READ, PagedCache
from hermes_ray.bench.peers.reading import Cache, Sight, first_logits
from hermes_ray.bench.peers.retrieval import FrameStore, Retriever
from hermes_ray.bench.statistics import median, times_ms
from hermes_ray.bench.streams import DirectStreams

_STREAM = "camera"
_PICKED_FRAMES = 64
_OURS_PER_TURN = 3  # it is short beside some of the others, and one hiccup would count much
_LIVEVLM_BUDGETS = 3  # 12,288 tokens where the memory has 4,096, as published


def measure(
    workload: Workload, progress: Progress, *, repetitions: int, recompute_frames: int, retrieval_frames: int
) -> Iterator[Figure]:
    """Ask a full memory, and the same question the other ways.

    Args:
        workload: model and budget.
        progress: told what is going on.
        repetitions: of each; what encodes frames at the question is repeated a fifth as often.
        recompute_frames: frames that re-encoding encodes per question.
        retrieval_frames: frames that retrieval picks from.
    """
    compare = _Comparison(workload, progress, repetitions)
    yield compare(
        "reencoding",
        partial(_recompute, workload, workload.question(), recompute_frames),
        Bar(10, at_most=False),
        {"frames_reencoded": recompute_frames},
        "vision features given to both sides" + ("" if recompute_frames >= 64 else "; 64 frames would take longer"),
        repetitions=max(1, repetitions // 5),
    )
    yield compare(
        "retrieval",
        _asking(workload, partial(_random_retriever(workload, retrieval_frames).sight, workload.question())),
        Bar(1, at_most=False),
        {"frames_in_host_memory": retrieval_frames, "frames_picked_per_layer": _PICKED_FRAMES},
        "retrieval in the manner of ReKV; on a GPU its frames would also cross the bus",
    )
    cached = _LIVEVLM_BUDGETS * workload.budget
    yield compare(
        "livevlm",
        _asking(workload, partial(_random_pages(workload, cached).sight, workload.adapter)),
        None,
        {"cached_tokens": cached, "share_read": SHARE_READ},
        "in the manner of LiveVLM: every layer attends to the pages of a larger cache that suit the question",
    )
    yield compare(
        "dscache",
        _asking(workload, _random_ring(workload).sight),
        None,
        {"raw_frames": RAW_FRAMES, "cached_tokens": _queue_tokens(workload)},
        "in the manner of DSCache: the newest frames are encoded at the question; vision features given to both sides",
        repetitions=max(1, repetitions // 5),
    )


class _Comparison:
    """The full memory, and how others compare with it."""

    def __init__(self, workload: Workload, progress: Progress, repetitions: int) -> None:
        self._name = workload.name
        self._progress = progress
        self._repetitions = repetitions
        self._ours = partial(_full_memory(workload).first_logits, _STREAM, workload.question())
        self._ours()

    def __call__(
        self,
        name: str,
        theirs: Callable[[], object],
        bar: Bar | None,
        detail: dict[str, float],
        note: str,
        repetitions: int | None = None,
    ) -> Figure:
        """The ratio of median times, ``repetitions`` of each in turns behind a first one that does not count."""
        self._progress(f"{self._name}: the memory and {name} in turns")
        count = repetitions or self._repetitions
        if count > 1:
            theirs()
        ours, other = [], []
        for _ in range(count):
            ours += times_ms(self._ours, _OURS_PER_TURN)
            other += times_ms(theirs, 1, warm_up=0)
        ttft, peer_ttft = median(ours), median(other)
        found = {"ttft_ms": ttft, f"{name}_ttft_ms": peer_ttft, "repetitions": count}
        return Figure(f"ttft_speedup_over_{name}", self._name, peer_ttft / ttft, "x", bar, found | detail, note)


def _asking(workload: Workload, sight: Callable[[], Sight]) -> Callable[[], Tensor]:
    """A question, and whatever a peer does for it before it can be read."""
    question = workload.question()
    return lambda: first_logits(workload.adapter, question, sight())


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


def _random_pages(workload: Workload, tokens: int) -> PagedCache:
    return PagedCache.of(*_random_cache(workload, tokens), _beginning(workload))


def _random_retriever(workload: Workload, frames: int) -> Retriever:
    keys, values = _random_cache(workload, frames * workload.bank.tokens_per_frame)
    by_frame = (2, (frames, workload.bank.tokens_per_frame))
    beginning = _beginning(workload)
    store = FrameStore.of(
        keys.unflatten(*by_frame).transpose(1, 2).contiguous(),
        values.unflatten(*by_frame).transpose(1, 2).contiguous(),
        torch.stack([keys for keys, _ in beginning]),
        torch.stack([values for _, values in beginning]),
    )
    return Retriever(workload.adapter, store, _PICKED_FRAMES)


def _random_ring(workload: Workload) -> RawRing:
    ring = RawRing(workload.adapter, _beginning(workload), queue_tokens=_queue_tokens(workload))
    keys, values = _random_cache(workload, _queue_tokens(workload))
    ring.queue(list(zip(keys, values, strict=True)))
    ring.push([block.embeds for block in workload.bank.blocks(RAW_FRAMES)])
    return ring


def _queue_tokens(workload: Workload) -> int:
    return workload.budget - RAW_FRAMES * workload.bank.tokens_per_frame


def _beginning(workload: Workload) -> list[Cache]:
    """As many random keys and values as the prefix has, in every layer."""
    with torch.inference_mode():
        prefix = workload.adapter.prefix().shape[0]
    return list(zip(*_random_cache(workload, prefix), strict=True))


def _random_cache(workload: Workload, tokens: int) -> tuple[Tensor, Tensor]:
    """``[layers, kv_heads, tokens, head_dim]`` twice; reading them costs what reading real ones costs."""
    shape, generator = workload.adapter.decoder.shape, torch.Generator().manual_seed(3)
    size = (shape.layers, shape.kv_heads, tokens, shape.head_dim)
    return torch.randn(size, generator=generator), torch.randn(size, generator=generator)
