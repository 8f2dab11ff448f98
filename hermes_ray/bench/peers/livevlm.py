"""LiveVLM (Ning et al., arXiv 2505.15269) as a peer: a large compressed cache, of which a question reads some pages.

What it does at a question: in every layer, the pages whose mean key suits the question's mean query best are attended
to, and the newest tokens in any case. What it does while frames come is in :mod:`hermes_ray.bench.peers.bucketing`.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from hermes_ray.bench.peers.reading import Cache, Sight, joined, rotated
from hermes_ray.models import ModelAdapter

PAGE_TOKENS = 16
"""Neighbouring tokens that are fetched together."""
SHARE_READ = 0.4
"""Share of the pages that a question attends to."""


@dataclass(frozen=True, slots=True)
class PagedCache:
    """The cache of one stream, keys un-rotated.

    Attributes:
        keys: ``[layers, kv_heads, pages * page_tokens, head_dim]``.
        values: ``[layers, kv_heads, pages * page_tokens, head_dim]``.
        centres: ``[layers, kv_heads, pages, head_dim]``, the mean key of every page.
        prefix: of every layer; always read.
        newest: of every layer, tokens behind the pages; always read.
    """

    keys: Tensor
    values: Tensor
    centres: Tensor
    prefix: list[Cache]
    newest: list[Cache]

    @classmethod
    def of(
        cls,
        keys: Tensor,
        values: Tensor,
        prefix: list[Cache],
        *,
        newest_tokens: int = 0,
        page_tokens: int = PAGE_TOKENS,
    ) -> "PagedCache":
        """Cut a cache into pages, but for the newest tokens and those before them that fill no page."""
        whole = (keys.shape[2] - newest_tokens) // page_tokens * page_tokens
        pages = keys[:, :, :whole].unflatten(2, (-1, page_tokens))
        newest = list(zip(keys[:, :, whole:], values[:, :, whole:], strict=True))
        return cls(keys[:, :, :whole], values[:, :, :whole], pages.mean(dim=3), prefix, newest)

    def pick(self, layer: int, queries: Tensor, share: float) -> Tensor:
        """The pages that suit a question best in one layer.

        Args:
            layer: layer index.
            queries: ``[heads, tokens, head_dim]``, un-rotated.
            share: of the pages, above 0 and at most 1.

        Returns:
            ``[picked]`` int64, in stream order.
        """
        centres = self.centres[layer]
        # The query heads of a key head all score against it, and all heads' scores are added up.
        by_head = queries.mean(dim=1).unflatten(0, (centres.shape[0], -1)).sum(dim=1)
        scores = torch.einsum("hd,hpd->p", by_head, centres)
        return scores.topk(ceil(share * scores.shape[0])).indices.sort().values

    def fetch(self, layer: int, pages: Tensor) -> Cache:
        """Prefix, picked pages and newest tokens of one layer."""
        tokens = self.keys.shape[2] // max(1, self.centres.shape[2])
        places = (pages[:, None] * tokens + torch.arange(tokens)).flatten()
        picked = self.keys[layer, :, places], self.values[layer, :, places]
        return joined(self.prefix[layer], picked, self.newest[layer])

    def sight(self, adapter: ModelAdapter, share: float = SHARE_READ) -> Sight:
        """For a question to read, in every layer the ``share`` of the pages that suit it best."""

        def fetch(layer: int, queries: Tensor) -> Cache:
            keys, values = self.fetch(layer, self.pick(layer, queries, share))
            return rotated(adapter, keys), values

        return fetch
