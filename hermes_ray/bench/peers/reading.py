"""Reading tokens behind any cache: what the peers that work at question time have in common."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention.dot_product import additive_mask, attend
from hermes_ray.models import ModelAdapter

Cache = tuple[Tensor, Tensor]
"""Keys and values of one layer, ``[kv_heads, tokens, head_dim]`` each."""
Sight = Callable[[int, Tensor], Cache]
"""What tokens see in front of them: called with a layer's index and their un-rotated queries ``[heads, tokens,
head_dim]``; returns a cache whose keys are rotated (:func:`rotated`)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pass leaves behind.

    Attributes:
        hidden: output of the last layer, ``[tokens, hidden]``.
        caches: of every layer the tokens' own keys, un-rotated, and values.
    """

    hidden: Tensor
    caches: list[Cache]


def read(adapter: ModelAdapter, embeds: Tensor, before: Sight) -> Reading:
    """Run tokens through the decoder, in every layer behind a cache.

    Args:
        adapter: the model.
        embeds: ``[tokens, hidden]``.
        before: what they see. Their positions are those behind it.
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


@torch.inference_mode()
def first_logits(adapter: ModelAdapter, question: Tensor, before: Sight) -> Tensor:
    """Logits of an answer's first token, ``[vocabulary]`` float32, behind a question ``[tokens, hidden]``."""
    return adapter.decoder.logits(read(adapter, question, before).hidden[-1])


@torch.inference_mode()
def answer(adapter: ModelAdapter, question: Tensor, before: Sight, max_tokens: int) -> list[int]:
    """Answer greedily.

    Args:
        adapter: the model.
        question: ``[tokens, hidden]``.
        before: what the question sees; the answer sees the same, and the question.
        max_tokens: where a longer answer is cut.

    Returns:
        Token ids, the stop token included if it was reached.
    """
    seen: list[Cache] = []

    def remember(layer: int, queries: Tensor) -> Cache:
        seen.append(before(layer, queries))
        return seen[-1]

    reading = read(adapter, question, remember)
    said = [int(adapter.decoder.logits(reading.hidden[-1]).argmax())]
    while said[-1] not in adapter.stop_ids and len(said) < max_tokens:
        seen = [_continued(adapter, held, new) for held, new in zip(seen, reading.caches, strict=True)]
        reading = read(adapter, adapter.decoder.embed(torch.tensor(said[-1:])), lambda layer, _, seen=seen: seen[layer])
        said.append(int(adapter.decoder.logits(reading.hidden[-1]).argmax()))
    return said


def _continued(adapter: ModelAdapter, held: Cache, new: Cache) -> Cache:
    """A cache of rotated keys with the un-rotated one of the tokens that were read behind it."""
    keys, values = new
    at = torch.arange(held[0].shape[1], held[0].shape[1] + keys.shape[1])[:, None]
    return joined(held, (adapter.rotary.rotate(keys, at), values))


def rotated(adapter: ModelAdapter, keys: Tensor) -> Tensor:
    """Keys ``[kv_heads, tokens, head_dim]`` at positions 0, 1, 2 ..."""
    return adapter.rotary.rotate(keys, torch.arange(keys.shape[1])[:, None])


def joined(*caches: Cache) -> Cache:
    """Caches one behind the other."""
    return torch.cat([keys for keys, _ in caches], dim=1), torch.cat([values for _, values in caches], dim=1)
