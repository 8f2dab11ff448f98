"""FlashAttention of one token per row to a cache of fixed size, as :mod:`head_rows` lays it out.

The query heads that share keys count as so many tokens of one head: all of them see the same, and keys are read once.
"""

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import PartKernel
from hermes_ray.engine.graphs.pieces import MOST_PIECES, cut, ends, joined


class TokenRows:
    """The layout of passes of one shape, whose rows all have one token.

    Args:
        rows: rows of the cache.
        kv_heads: key/value heads.
        group: query heads that share one.
        columns: tokens that a row of the cache has room for.
        scaling: factor on the scores.
        kernel: attention over a part of sequences of any lengths.
        device: where.
    """

    def __init__(
        self,
        *,
        rows: int,
        kv_heads: int,
        group: int,
        columns: int,
        scaling: float,
        kernel: PartKernel,
        device: torch.device,
    ) -> None:
        self._heads, self._columns, self._scaling, self._kernel = kv_heads, columns, scaling, kernel
        self._pieces = 2 * MOST_PIECES
        queried = torch.tensor([group] * self._pieces + [0], device=device)
        self._query_ends = ends(queried.repeat(rows * kv_heads)).to(torch.int32)

    def key_ends(self, lengths: Tensor) -> Tensor:
        """Ends of the sequences of keys, int32, from the tokens that each row's token sees, ``[rows]`` int64."""
        each = torch.cat((cut(lengths, self._pieces), (self._columns - lengths)[:, None]), dim=1)
        return ends(each.repeat_interleave(self._heads, dim=0).flatten()).to(torch.int32)

    def attend(self, queries: Tensor, cache: tuple[Tensor, Tensor], key_ends: Tensor) -> Tensor:
        """Attend.

        Args:
            queries: ``[rows, kv_heads, group, head_dim]``, rotated.
            cache: keys, rotated, and values of one layer, ``[cached, head_dim]`` each.
            key_ends: from :meth:`key_ends`.

        Returns:
            ``[rows, kv_heads, group, head_dim]``.
        """
        rows, heads, group, head_dim = queries.shape
        each = queries.flatten(0, 1)[:, None].expand(-1, self._pieces, -1, -1).reshape(-1, 1, head_dim)
        keys, values = (vectors[:, None] for vectors in cache)
        lengths = self._query_ends, key_ends, group, self._columns
        attended, sums = self._kernel(each, keys, values, *lengths, self._scaling, causal=False)
        shape = (rows * heads, self._pieces, group)
        return joined(attended.view(*shape, head_dim), sums.reshape(shape)).view(queries.shape)
