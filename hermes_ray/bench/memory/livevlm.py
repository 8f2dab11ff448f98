"""LiveVLM (Ning et al., arXiv 2505.15269) as a peer: a large compressed cache, of which a question reads some pages.

Only what it does at a question is built here: in every layer, the pages whose mean key suits the question's mean
query best are attended to. How it decides which tokens enter the cache costs nothing at that moment.
"""

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from hermes_ray.bench.memory.reading import Cache, joined, read, rotated
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
        prefix: of every layer.
    """

    keys: Tensor
    values: Tensor
    centres: Tensor
    prefix: list[Cache]

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, prefix: list[Cache], page_tokens: int = PAGE_TOKENS) -> "PagedCache":
        """Cut a cache into pages; what does not fill a page at its end is left off."""
        whole = keys.shape[2] // page_tokens * page_tokens
        pages = keys[:, :, :whole].unflatten(2, (-1, page_tokens))
        return cls(keys[:, :, :whole], values[:, :, :whole], pages.mean(dim=3), prefix)

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
        """Prefix and picked pages of one layer."""
        tokens = self.keys.shape[2] // self.centres.shape[2]
        places = (pages[:, None] * tokens + torch.arange(tokens)).flatten()
        return joined(self.prefix[layer], (self.keys[layer, :, places], self.values[layer, :, places]))


class PageReader:
    """Answers questions on a :class:`PagedCache`.

    Args:
        adapter: the model.
        cache: the stream's.
        share: of the pages that every layer reads.
    """

    def __init__(self, adapter: ModelAdapter, cache: PagedCache, share: float = SHARE_READ) -> None:
        self._adapter = adapter
        self._cache = cache
        self._share = share

    @torch.inference_mode()
    def first_logits(self, question: Tensor) -> Tensor:
        """Read a question ``[tokens, hidden]``, every layer upon its own pages.

        Returns:
            Logits of the answer's first token, ``[vocabulary]`` float32.
        """

        def fetch(layer: int, queries: Tensor) -> Cache:
            keys, values = self._cache.fetch(layer, self._cache.pick(layer, queries, self._share))
            return rotated(self._adapter, keys), values

        return self._adapter.decoder.logits(read(self._adapter, question, fetch).hidden[-1])
