"""Reading tokens behind any cache: what the peers that work at question time have in common."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention import additive_mask, attend
from hermes_ray.models import ModelAdapter

Cache = tuple[Tensor, Tensor]
"""Keys and values of one layer, ``[kv_heads, tokens, head_dim]`` each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pass leaves behind.

    Attributes:
        hidden: output of the last layer, ``[tokens, hidden]``.
        caches: of every layer the tokens' own keys, un-rotated, and values.
    """

    hidden: Tensor
    caches: list[Cache]


def read(adapter: ModelAdapter, embeds: Tensor, before: Callable[[int, Tensor], Cache]) -> Reading:
    """Run tokens through the decoder, in every layer behind a cache.

    Args:
        adapter: the model.
        embeds: ``[tokens, hidden]``.
        before: called with a layer's index and the tokens' un-rotated queries ``[heads, tokens, head_dim]``; returns
            the cache, its keys rotated (:func:`rotated`). The tokens' positions are those behind it.
    """
    decoder, rotary = adapter.decoder, adapter.rotary
    hidden, tokens = embeds[None], embeds.shape[0]
    caches: list[Cache] = []
    for layer in range(decoder.shape.layers):
        queries, keys, values = decoder.project(layer, hidden)
        held_keys, held_values = before(layer, queries[0])
        cached = held_keys.shape[1]
        at = torch.arange(cached, cached + tokens)[:, None]
        visible = torch.ones((1, tokens, cached + tokens), dtype=torch.bool).tril(cached)
        mask = additive_mask(visible, decoder.shape.heads // decoder.shape.kv_heads, queries.dtype)
        all_keys = torch.cat((held_keys[None], rotary.rotate(keys, at)), dim=2)
        all_values = torch.cat((held_values[None], values), dim=2)
        attended = attend(rotary.rotate(queries, at), all_keys, all_values, mask, decoder.scaling)
        hidden = decoder.finish(layer, hidden, attended)
        caches.append((keys[0], values[0]))
    return Reading(hidden[0], caches)


def rotated(adapter: ModelAdapter, keys: Tensor) -> Tensor:
    """Keys ``[kv_heads, tokens, head_dim]`` at positions 0, 1, 2 ..."""
    return adapter.rotary.rotate(keys, torch.arange(keys.shape[1])[:, None])


def joined(*caches: Cache) -> Cache:
    """Caches one behind the other."""
    return torch.cat([keys for keys, _ in caches], dim=1), torch.cat([values for _, values in caches], dim=1)
