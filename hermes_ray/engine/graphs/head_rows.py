"""FlashAttention over a cache of fixed size, for rows of any lengths, without copying the cache.

To the kernel every key/value head of every row is a sequence of its own, with the query heads that share it. Its keys
lie in the cache one behind the other; what lies behind them up to the next head's is a sequence that nobody queries. So
only the ends of sequences differ from pass to pass, and these are numbers on the device.

For few tokens the keys are cut into pieces (:mod:`pieces`), each a sequence with the same queries. The tokens' own keys
are a piece too, the only one with a causal mask.

Tokens that only fill a pass up query sequences without keys; the kernel gives zeros for these.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.engine.graphs.pieces import MOST_PIECES, cut, ends, joined

_BLOCK = 128
"""Queries that the kernel takes together."""


class HeadRows:
    """The layout of passes of one shape.

    Args:
        rows: rows of the cache; each may have new tokens.
        tokens: tokens of the pass, of all rows.
        kv_heads: key/value heads.
        columns: tokens that a row of the cache has room for.
        scaling: factor on the scores.
        kernels: attention over sequences of any lengths.
    """

    def __init__(
        self, *, rows: int, tokens: int, kv_heads: int, columns: int, scaling: float, kernels: Kernels
    ) -> None:
        self._rows, self._tokens, self._kv_heads, self._columns = rows, tokens, kv_heads, columns
        self._scaling = scaling
        self._kernels = kernels
        self._pieces = max(1, MOST_PIECES * _BLOCK // max(tokens, _BLOCK))
        self._sequences = (rows * (self._pieces + 1) + self._pieces) * kv_heads

    @property
    def sizes(self) -> Mapping[str, int]:
        """What a pass needs to know (:meth:`numbers`), for :class:`Numbers`."""
        per_head = self._tokens * self._kv_heads
        return {
            "order": per_head * self._pieces,
            "back": per_head * self._pieces,
            "where": per_head,
            "ends": 2 * (self._sequences + 1),
            "own_ends": self._rows + 2,
        }

    @property
    def cached(self) -> int:
        """Vectors of one layer's cache, keys or values: of every row, head and column, and some that nothing reads.

        Tokens that only fill up are written to these.
        """
        return self._rows * self._kv_heads * self._columns + self._kv_heads

    def numbers(self, tokens: Sequence[int], held: Sequence[int]) -> dict[str, Tensor]:
        """Where everything is in one pass, whose tokens lie in the order of their rows.

        Args:
            tokens: new tokens of each row; none for rows that are not in it.
            held: tokens that each row then holds, the new ones included.

        Returns:
            ``order``: the queries sorted by sequence, as indices of (token, head); ``back``: for each (token, head,
            piece) its place among these; ``where``: index in the cache of each (token, head); ``ends``: of the
            sequences of queries, then of keys; ``own_ends``: of the rows' new tokens.
        """
        heads, columns, pieces = torch.arange(self._kv_heads), self._columns, self._pieces
        lengths, stops = torch.tensor(list(tokens)), torch.tensor(list(held))
        used = int(lengths.sum())
        spare = self._tokens - used
        row = torch.repeat_interleave(torch.arange(self._rows), lengths)
        column = torch.arange(used) + (stops - lengths.cumsum(0))[row]
        where = torch.full((self._tokens, self._kv_heads), self.cached - self._kv_heads) + heads
        where[:used] = (row[:, None] * self._kv_heads + heads) * columns + column[:, None]
        by_piece = torch.cat([self._by_sequence(first, count) for first, count in _spans([*tokens, spare])])
        return {
            "order": by_piece // pieces,
            "back": by_piece.argsort(),
            "where": where.flatten(),
            "ends": torch.cat((self._query_ends(lengths, spare), self._key_ends(lengths, stops))),
            "own_ends": ends(torch.cat((lengths, torch.tensor([spare])))),
        }

    def attend(
        self, queries: Tensor, cache: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor], numbers: Numbers
    ) -> Tensor:
        """Attend, each token to what its row holds up to itself.

        Args:
            queries: ``[heads, tokens, head_dim]``, rotated.
            cache: keys, rotated, and values of one layer, ``[cached, head_dim]`` each; the new ones are in it.
            own: the new ones, ``[kv_heads, tokens, head_dim]`` each.
            numbers: filled with :meth:`numbers`.

        Returns:
            ``[tokens, heads, head_dim]``.
        """
        group = queries.shape[0] // self._kv_heads
        by_token = queries.transpose(0, 1).reshape(self._tokens * self._kv_heads, group, -1)
        query_ends, key_ends = numbers["ends"].to(torch.int32).view(2, -1)
        keys, values = (vectors[:, None] for vectors in cache)
        ordered = by_token.index_select(0, numbers["order"])
        layout = query_ends, key_ends, self._tokens, self._columns, self._scaling
        if self._pieces == 1:
            attended = self._kernels.whole(ordered, keys, values, *layout)
            return attended.index_select(0, numbers["back"]).view(self._tokens, len(queries), -1)
        far = self._kernels.part(ordered, keys, values, *layout, causal=False)
        own_ends = numbers["own_ends"].to(torch.int32)
        packed, new_keys, new_values = (states.transpose(0, 1).contiguous() for states in (queries, *own))
        layout = own_ends, own_ends, self._tokens, self._tokens, self._scaling
        near = self._kernels.part(packed, new_keys, new_values, *layout, causal=True)
        parts = [states.index_select(0, numbers["back"]).unflatten(0, (-1, self._pieces)) for states in far]
        together = [
            torch.cat((piece, last.reshape(len(piece), 1, *piece.shape[2:])), dim=1)
            for piece, last in zip(parts, near, strict=True)
        ]
        return joined(*together).view(self._tokens, len(queries), -1)

    def _by_sequence(self, first: int, count: int) -> Tensor:
        """Indices of (token, head, piece) of some tokens: of each head and piece one behind the other."""
        token = (first + torch.arange(count)) * self._kv_heads * self._pieces
        return (token + torch.arange(self._kv_heads * self._pieces)[:, None]).flatten()

    def _query_ends(self, lengths: Tensor, spare: int) -> Tensor:
        """Of each row and head: all pieces, and what nobody queries; then the tokens that fill up."""
        each = torch.cat((lengths[:, None].expand(-1, self._pieces), torch.zeros_like(lengths)[:, None]), dim=1)
        return ends(torch.cat((self._per_head(each), torch.full((self._kv_heads * self._pieces,), spare))))

    def _key_ends(self, lengths: Tensor, held: Tensor) -> Tensor:
        """As the queries' ends; a single piece has the new tokens too, several have only what was there before."""
        seen = held if self._pieces == 1 else held - lengths
        each = torch.cat((cut(seen, self._pieces), (self._columns - seen)[:, None]), dim=1)
        return ends(torch.cat((self._per_head(each), torch.zeros(self._kv_heads * self._pieces, dtype=torch.int64))))

    def _per_head(self, lengths: Tensor) -> Tensor:
        """``[rows, sequences]`` the same for every head."""
        return lengths.repeat_interleave(self._kv_heads, dim=0).flatten()


def per_head(states: Tensor) -> Tensor:
    """``[1, kv_heads, tokens, head_dim]`` as the vectors of a cache: ``[tokens * kv_heads, head_dim]``."""
    return states[0].transpose(0, 1).reshape(-1, states.shape[-1])


def _spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """First token and number of tokens of each run that is not empty."""
    spans, first = list[tuple[int, int]](), 0
    for length in lengths:
        if length:
            spans.append((first, length))
        first += length
    return spans
