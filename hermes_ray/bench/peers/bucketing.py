"""LiveVLM (Ning et al., arXiv 2505.15269) while frames come: what its cache keeps until a question is asked.

The newest frames stay whole. Of the older tokens, those stay that the tokens of the newest frame attend to most, and of
every place in the picture equally many (a bucket each), so that no place is lost from sight.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.bench.peers.livevlm import PagedCache
from hermes_ray.bench.peers.reading import Cache, Sight, joined, read, rotated
from hermes_ray.engine.attention.dot_product import attention_weights
from hermes_ray.models import ModelAdapter

_FREED_SHARE = 0.375  # of the budget by each compaction, as the engine's default
_NEWEST_SHARE = 0.25  # of what is kept, in whole frames; our reading of its short-term memory


class BucketedCache:
    """The memory of one stream.

    Args:
        adapter: the model.
        prefix: the system prompt's cache in every layer, keys un-rotated.
        budget_tokens: the most visual tokens per layer, a multiple of a frame's.
    """

    def __init__(self, adapter: ModelAdapter, prefix: list[Cache], budget_tokens: int) -> None:
        self._adapter = adapter
        self._prefix = prefix
        self._budget = budget_tokens
        self._frame_tokens = adapter.max_tokens_per_block
        kept_per_bucket = int((1 - _FREED_SHARE) * budget_tokens) // self._frame_tokens
        self._newest_frames = max(1, round(_NEWEST_SHARE * kept_per_bucket))
        self._older_per_bucket = kept_per_bucket - self._newest_frames
        self._cache = [(keys[:, :0], values[:, :0]) for keys, values in prefix]
        self._places = torch.zeros((len(prefix), 0), dtype=torch.int64)

    @property
    def tokens(self) -> int:
        """Visual tokens per layer."""
        return self._places.shape[1]

    def push(self, frames: Sequence[Tensor]) -> None:
        """Show frames, ``[tokens, hidden]`` each and all of one size."""
        while frames:
            fit = max(1, (self._budget - self.tokens) // self._frame_tokens)
            self._append(frames[:fit])
            frames = frames[fit:]

    def sight(self) -> Sight:
        """What a question reads."""
        keys, values = (torch.stack([cache[part] for cache in self._cache]) for part in range(2))
        newest = min(self._newest_frames * self._frame_tokens, self.tokens)
        return PagedCache.of(keys, values, self._prefix, newest_tokens=newest).sight(self._adapter)

    @torch.inference_mode()
    def _append(self, frames: Sequence[Tensor]) -> None:
        """Encode frames behind the cache, and compact it when the next one would not fit."""
        before = [joined(prefix, cache) for prefix, cache in zip(self._prefix, self._cache, strict=True)]
        queries: list[Tensor] = []

        def look(layer: int, asked: Tensor) -> Cache:
            queries.append(asked[:, -self._frame_tokens :])
            return rotated(self._adapter, before[layer][0]), before[layer][1]

        new = read(self._adapter, torch.cat(list(frames)), look).caches
        self._cache = [joined(old, added) for old, added in zip(self._cache, new, strict=True)]
        place = torch.arange(self._frame_tokens).repeat(len(frames)).expand(len(new), -1)
        self._places = torch.cat((self._places, place), dim=1)
        if self.tokens + self._frame_tokens > self._budget:
            self._compact(torch.stack([self._seen(layer, asked) for layer, asked in enumerate(queries)]))

    def _seen(self, layer: int, queries: Tensor) -> Tensor:
        """How much the newest frame's tokens attend to every visual token of a layer, ``[tokens]``."""
        keys = rotated(self._adapter, joined(self._prefix[layer], self._cache[layer])[0])
        at = torch.arange(keys.shape[1] - queries.shape[1], keys.shape[1])[:, None]
        placed = self._adapter.rotary.rotate(queries, at)
        weights = attention_weights(placed[None], keys[None], keys.new_zeros(()), self._adapter.decoder.scaling)
        return weights.mean(dim=(0, 1, 2))[-self.tokens :]

    def _compact(self, scores: Tensor) -> None:
        newest = self._newest_frames * self._frame_tokens
        kept = best_of_every_place(scores, self._places, newest=newest, per_place=self._older_per_bucket)
        self._cache = [
            (keys[:, index], values[:, index]) for (keys, values), index in zip(self._cache, kept, strict=True)
        ]
        self._places = self._places.gather(1, kept)


def best_of_every_place(scores: Tensor, places: Tensor, *, newest: int, per_place: int) -> Tensor:
    """Choose the newest tokens, and of every place in the picture the older ones with the highest scores.

    Args:
        scores: ``[layers, tokens]``.
        places: ``[layers, tokens]`` int64; every layer has equally many tokens of every place, at least
            ``per_place`` of them among the older ones.
        newest: tokens at the end that are kept in any case, whole frames.
        per_place: older tokens to keep of each place.

    Returns:
        ``[layers, kept]`` int64, indices in stream order.
    """
    layers, tokens = scores.shape
    older = tokens - newest
    by_place = places[:, :older].argsort(dim=1, stable=True).view(layers, int(places.max()) + 1, -1)
    in_place = scores.gather(1, by_place.flatten(1)).view_as(by_place)
    best = by_place.gather(2, in_place.topk(per_place, dim=2).indices).flatten(1)
    always = torch.arange(older, tokens).expand(layers, -1)
    return torch.cat((best, always), dim=1).sort(dim=1).values
