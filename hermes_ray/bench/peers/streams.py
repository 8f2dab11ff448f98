"""Streams watched by a peer, with the methods of :class:`hermes_ray.bench.streams.DirectStreams`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from hermes_ray.bench.peers.bucketing import BucketedCache
from hermes_ray.bench.peers.dscache import RAW_FRAMES, RawRing
from hermes_ray.bench.peers.reading import Cache, answer, read
from hermes_ray.bench.streams import spoken
from hermes_ray.errors import UnsupportedModel
from hermes_ray.models import ModelAdapter, VisualBlock

Peer = BucketedCache | RawRing


class PeerStreams:
    """Some streams, each with a peer's memory of its own.

    Args:
        adapter: a model whose positions have one axis.
        begin: makes the memory of a stream.
    """

    def __init__(self, adapter: ModelAdapter, begin: Callable[[], Peer]) -> None:
        self._adapter = adapter
        self._begin = begin
        self._peers: dict[str, Peer] = {}

    def open(self, name: str) -> None:
        """Begin a stream."""
        self._peers[name] = self._begin()

    def write(self, blocks: Mapping[str, Sequence[VisualBlock]]) -> None:
        """Append frames."""
        for name, frames in blocks.items():
            self._peers[name].push([block.embeds for block in frames])

    def tokens(self, name: str) -> int:
        """Visual tokens per layer of a stream."""
        return self._peers[name].tokens

    def answer(self, questions: Sequence[tuple[str, str]], max_tokens: int) -> list[str]:
        """Answer greedily, as :meth:`hermes_ray.bench.streams.DirectStreams.answer` does."""
        sights = {name: self._peers[name].sight() for name, _ in questions}
        with torch.inference_mode():
            prompts = [(name, self._adapter.question(text)) for name, text in questions]
        said = (answer(self._adapter, prompt, sights[name], max_tokens) for name, prompt in prompts)
        return [spoken(self._adapter, ids) for ids in said]


def peer_streams(adapter: ModelAdapter, peer: str, budget_tokens: int) -> PeerStreams:
    """Streams in the manner of one peer.

    Args:
        adapter: the model.
        peer: one of :data:`PEERS`.
        budget_tokens: the most visual tokens per layer and stream.

    Raises:
        UnsupportedModel: its positions have more than one axis.
        ConfigError: the budget is too small for the peer.
    """
    if adapter.decoder.shape.axes > 1:
        raise UnsupportedModel(f"{peer} is rebuilt for models with plain positions only, unlike {adapter.name}'s")
    return PeerStreams(adapter, partial(PEERS[peer], adapter, _prefix(adapter), budget_tokens))


def _dscache(adapter: ModelAdapter, prefix: list[Cache], budget_tokens: int) -> RawRing:
    """Its raw frames count as the tokens that they will become."""
    return RawRing(adapter, prefix, queue_tokens=budget_tokens - RAW_FRAMES * adapter.max_tokens_per_block)


PEERS: Mapping[str, Callable[[ModelAdapter, list[Cache], int], Peer]] = {"livevlm": BucketedCache, "dscache": _dscache}
"""What makes the memory of a stream, by the peer's name."""


@torch.inference_mode()
def _prefix(adapter: ModelAdapter) -> list[Cache]:
    """The system prompt's cache in every layer, keys un-rotated."""
    shape, embeds = adapter.decoder.shape, adapter.prefix()
    nothing = embeds.new_zeros((shape.kv_heads, 0, shape.head_dim))

    def before(_layer: int, _queries: Tensor) -> Cache:
        return nothing, nothing

    return read(adapter, embeds, before).caches
