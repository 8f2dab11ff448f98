"""FlashAttention over a cache of fixed size, for rows of any lengths, without copying the cache.

To the kernel every key/value head of every row is a sequence of its own, with the query heads that share it. Its keys
lie in the cache one behind the other; what lies behind them up to the next head's is a sequence that nobody queries. So
only the ends of sequences differ from pass to pass, and these are numbers on the device.

Tokens that only fill a pass up query sequences without keys; the kernel gives zeros for these.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernel
from hermes_ray.engine.graphs.numbers import Numbers


class HeadRows:
    """The layout of passes of one shape.

    Args:
        rows: rows of the cache; each may have new tokens.
        tokens: tokens of the pass, of all rows.
        kv_heads: key/value heads.
        columns: tokens that a row of the cache has room for.
        scaling: factor on the scores.
        kernel: attention over sequences of any lengths.
    """

    def __init__(self, *, rows: int, tokens: int, kv_heads: int, columns: int, scaling: float, kernel: Kernel) -> None:
        self._rows, self._tokens, self._kv_heads, self._columns = rows, tokens, kv_heads, columns
        self._scaling = scaling
        self._kernel = kernel
        self._sequences = 2 * rows * kv_heads + kv_heads

    @property
    def sizes(self) -> Mapping[str, int]:
        """What a pass needs to know (:meth:`numbers`), for :class:`Numbers`."""
        per_head = self._tokens * self._kv_heads
        return {"order": per_head, "back": per_head, "where": per_head, "ends": 2 * (self._sequences + 1)}

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
            ``order``: the queries sorted by sequence, as indices of (token, head); ``back``: the inverse; ``where``:
            index in the cache of each (token, head); ``ends``: of the sequences of queries, then of keys.
        """
        heads, columns = torch.arange(self._kv_heads), self._columns
        lengths, ends = torch.tensor(list(tokens)), torch.tensor(list(held))
        used = int(lengths.sum())
        spare = self._tokens - used
        order = [_by_head(first, count, self._kv_heads) for first, count in _spans([*tokens, spare])]
        row = torch.repeat_interleave(torch.arange(self._rows), lengths)
        column = torch.arange(used) + (ends - lengths.cumsum(0))[row]
        where = torch.full((self._tokens, self._kv_heads), self.cached - self._kv_heads) + heads
        where[:used] = (row[:, None] * self._kv_heads + heads) * columns + column[:, None]
        sorted_by_sequence = torch.cat(order)
        return {
            "order": sorted_by_sequence,
            "back": sorted_by_sequence.argsort(),
            "where": where.flatten(),
            "ends": torch.cat((self._ends(lengths, 0, spare), self._ends(ends, columns, 0))),
        }

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, numbers: Numbers) -> Tensor:
        """Attend, each token to what its row holds up to itself.

        Args:
            queries: ``[heads, tokens, head_dim]``, rotated.
            keys: of one layer, rotated, ``[cached, head_dim]``.
            values: likewise.
            numbers: filled with :meth:`numbers`.

        Returns:
            ``[tokens, heads, head_dim]``.
        """
        head_dim = queries.shape[-1]
        by_token = queries.transpose(0, 1).reshape(self._tokens * self._kv_heads, -1, head_dim)
        ends = numbers["ends"].to(torch.int32).view(2, -1)
        attended = self._kernel(
            by_token.index_select(0, numbers["order"]),
            keys[:, None],
            values[:, None],
            ends[0],
            ends[1],
            self._tokens,
            self._columns,
            self._scaling,
        )
        return attended.index_select(0, numbers["back"]).view(self._tokens, -1, head_dim)

    def _ends(self, lengths: Tensor, room: int, spare: int) -> Tensor:
        """Ends of all sequences: of each row and head, of what is behind it, and of the tokens that fill up."""
        pairs = torch.stack((lengths, (room - lengths).clamp(min=0)), dim=1)
        each = pairs.repeat_interleave(self._kv_heads, dim=0).flatten()
        every = torch.cat((torch.zeros(1, dtype=torch.int64), each, torch.full((self._kv_heads,), spare)))
        return every.cumsum(0)


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


def _by_head(first: int, count: int, kv_heads: int) -> Tensor:
    """Indices of (token, head) of some tokens, those of one head behind those of the head before."""
    return ((first + torch.arange(count)) * kv_heads + torch.arange(kv_heads)[:, None]).flatten()
