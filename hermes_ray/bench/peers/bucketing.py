"""LiveVLM (Ning et al., arXiv 2505.15269v2) while frames come: what its cache keeps until a question is asked.

The newest frames stay whole. The older tokens are thinned by Vision Sink Bucketing: some stay because the newest frame
attends to them most, and then one for each of many equal stretches of the context, so that no time is lost from sight.
"""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor

from hermes_ray.bench.peers.livevlm import PagedCache
from hermes_ray.bench.peers.reading import Cache, Sight, joined, read, rotated
from hermes_ray.engine.attention.dot_product import attention_weights
from hermes_ray.errors import ConfigError
from hermes_ray.models import ModelAdapter

_FREED_SHARE = 0.375  # of the budget by each compaction, as the engine's default
_NEWEST_SHARE = 0.25  # of what is kept, in whole frames; our reading of its short-term memory
_SINK_SHARE = 0.5  # of the older tokens, kept whatever their bucket; our reading of its retention ratio R


class BucketedCache:
    """The memory of one stream.

    Args:
        adapter: the model.
        prefix: the system prompt's cache in every layer, keys un-rotated.
        budget_tokens: the most visual tokens per layer, at least a frame's.

    Raises:
        ConfigError: the budget holds no frame.
    """

    def __init__(self, adapter: ModelAdapter, prefix: list[Cache], budget_tokens: int) -> None:
        self._frame_tokens = adapter.max_tokens_per_block
        if budget_tokens < self._frame_tokens:
            raise ConfigError(
                f"livevlm's budget of {budget_tokens} tokens is less than one frame of {adapter.name} "
                f"({self._frame_tokens} tokens); raise the budget"
            )
        self._adapter = adapter
        self._prefix = prefix
        self._budget = budget_tokens
        kept = min(int((1 - _FREED_SHARE) * budget_tokens), budget_tokens - self._frame_tokens)
        frames = kept // self._frame_tokens
        self._newest = self._frame_tokens * min(frames, max(1, round(_NEWEST_SHARE * frames)))
        self._older = self._frame_tokens * frames - self._newest
        self._cache = [(keys[:, :0], values[:, :0]) for keys, values in prefix]
        self._newest_queries: list[Tensor] = []

    @property
    def tokens(self) -> int:
        """Visual tokens per layer."""
        return self._cache[0][0].shape[1]

    def push(self, frames: Sequence[Tensor]) -> None:
        """Show frames, ``[tokens, hidden]`` each and all of one size."""
        while frames:
            if self.tokens + self._frame_tokens > self._budget:
                self._compact()
            fit = (self._budget - self.tokens) // self._frame_tokens
            self._append(frames[:fit])
            frames = frames[fit:]

    def sight(self) -> Sight:
        """What a question reads."""
        keys, values = (torch.stack([cache[part] for cache in self._cache]) for part in range(2))
        newest = min(self._newest, self.tokens)
        return PagedCache.of(keys, values, self._prefix, newest_tokens=newest).sight(self._adapter)

    @torch.inference_mode()
    def _append(self, frames: Sequence[Tensor]) -> None:
        """Encode frames behind the cache."""
        before = [joined(prefix, cache) for prefix, cache in zip(self._prefix, self._cache, strict=True)]
        queries: list[Tensor] = []

        def look(layer: int, asked: Tensor) -> Cache:
            queries.append(asked[:, -self._frame_tokens :])
            return rotated(self._adapter, before[layer][0]), before[layer][1]

        new = read(self._adapter, torch.cat(list(frames)), look).caches
        self._cache = [joined(old, added) for old, added in zip(self._cache, new, strict=True)]
        self._newest_queries = queries

    @torch.inference_mode()
    def _compact(self) -> None:
        scores = torch.stack([self._seen(layer, queries) for layer, queries in enumerate(self._newest_queries)])
        kept = sinks_and_buckets(scores, newest=self._newest, older=self._older, sinks=int(_SINK_SHARE * self._older))
        self._cache = [
            (keys[:, index], values[:, index]) for (keys, values), index in zip(self._cache, kept, strict=True)
        ]

    def _seen(self, layer: int, queries: Tensor) -> Tensor:
        """How much the newest frame's tokens attend to every visual token of a layer, ``[tokens]``."""
        keys = rotated(self._adapter, joined(self._prefix[layer], self._cache[layer])[0])
        at = torch.arange(keys.shape[1] - queries.shape[1], keys.shape[1])[:, None]
        placed = self._adapter.rotary.rotate(queries, at)
        weights = attention_weights(placed[None], keys[None], keys.new_zeros(()), self._adapter.decoder.scaling)
        return weights.mean(dim=(0, 1, 2))[-self.tokens :]


def sinks_and_buckets(scores: Tensor, *, newest: int, older: int, sinks: int) -> Tensor:
    """Choose the newest tokens, and of the older ones those that Vision Sink Bucketing keeps.

    The older ones are cut into ``older`` equal buckets: place p = 1, 2 ... of L lies in bucket ceil(p * ``older`` / L).
    First the ``sinks`` tokens with the highest scores stay; then, from the highest score down, those whose bucket is
    still empty, until there are ``older``.

    Args:
        scores: ``[layers, tokens]``.
        newest: tokens at the end that are kept in any case.
        older: tokens to keep of those before, at most as many as there are.
        sinks: how many of those stay whatever their bucket, at most ``older``.

    Returns:
        ``[layers, newest + older]`` int64, indices in stream order.
    """
    tokens = scores.shape[1] - newest
    always = torch.arange(tokens, scores.shape[1])
    return torch.stack([torch.cat((_of_older(row[:tokens], older, sinks), always)) for row in scores])


def _of_older(scores: Tensor, keep: int, sinks: int) -> Tensor:
    """One layer's older tokens to keep: ``[keep]`` int64, in stream order."""
    tokens = scores.shape[0]
    ranked = scores.argsort(descending=True, stable=True).tolist()
    kept = ranked[:sinks]
    full = {ceil((place + 1) * keep / tokens) for place in kept}
    for place in ranked[sinks:]:
        if len(kept) == keep:
            break
        bucket = ceil((place + 1) * keep / tokens)
        if bucket not in full:
            full.add(bucket)
            kept.append(place)
    return torch.tensor(sorted(kept), dtype=torch.int64)
