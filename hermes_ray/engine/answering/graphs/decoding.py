"""The next token of answers in progress, as one captured pass."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.answering.seats.seat_cache import SeatCache
from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.head_rows import per_head
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.engine.graphs.token_rows import TokenRows
from hermes_ray.engine.graphs.whole_cache import beyond, weighted, weights_on
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


class DecodePass:
    """Takes one token of each of up to ``rows`` seats.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        cache: of the seats.
        next_positions: position of each seat's next token in each layer, ``[layers, seats]`` int32.
        rows: tokens. As many as there are seats: every seat is its own row, and read where it lies.
        deep_from: the first layer whose weights are wanted.
        kernels: attention over sequences of any lengths.
        capture: makes it repeatable.

    Attributes:
        by_seat: whether every seat is its own row.
    """

    def __init__(
        self,
        decoder: Decoder,
        rotary: RotaryTable,
        cache: SeatCache,
        next_positions: Tensor,
        *,
        rows: int,
        deep_from: int,
        kernels: Kernels,
        capture: Capture,
    ) -> None:
        self._decoder, self._rotary, self._cache, self._next = decoder, rotary, cache, next_positions
        self._rows, self._deep_from = rows, deep_from
        shape, device = decoder.shape, decoder.device
        self.by_seat = rows == cache.seats
        self._token_rows = TokenRows(
            rows=rows,
            kv_heads=shape.kv_heads,
            group=shape.heads // shape.kv_heads,
            columns=cache.columns,
            scaling=decoder.scaling,
            kernel=kernels.part,
            device=device,
        )
        self._nowhere = cache.seats * shape.kv_heads * cache.columns
        sizes = {"ids": rows, "seats": rows, "lengths": rows, "where": rows * shape.kv_heads}
        self._numbers = Numbers(sizes, device)
        self._numbers.fill(self._places((), (), ()))
        self._logits = torch.zeros((rows, shape.vocabulary), dtype=torch.float32, device=device)
        self._weights = torch.zeros((shape.layers - deep_from, rows, cache.columns), device=device)
        self._replay = capture(self._work)

    def run(self, ids: Sequence[int], seats: Sequence[int], starts: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Write the tokens into their seats.

        Args:
            ids: the tokens.
            seats: their seats.
            starts: tokens that these hold already.

        Returns:
            Logits behind the tokens, ``[rows, vocabulary]`` float32, and weights ``[deep layers, rows, columns]``
            float32, averaged over heads, valid until the next pass. A token's row is its seat
            (:attr:`by_seat`), or its index.
        """
        self._numbers.fill(self._places(ids, seats, starts))
        self._replay()
        return self._logits.clone(), self._weights

    def _places(self, ids: Sequence[int], seats: Sequence[int], starts: Sequence[int]) -> dict[str, Tensor]:
        """What only fills up sees one token of some seat, and is written where nobody reads."""
        heads, columns = torch.arange(self._decoder.shape.kv_heads), self._cache.columns
        rows = torch.tensor(list(seats) if self.by_seat else list(range(len(ids))), dtype=torch.int64)
        at, begin = torch.tensor(list(seats), dtype=torch.int64), torch.tensor(list(starts), dtype=torch.int64)
        tokens = torch.zeros(self._rows, dtype=torch.int64)
        tokens[rows] = torch.tensor(list(ids), dtype=torch.int64)
        chosen = torch.arange(self._rows) if self.by_seat else torch.zeros(self._rows, dtype=torch.int64)
        chosen[rows] = at
        lengths = torch.ones(self._rows, dtype=torch.int64)
        lengths[rows] = begin + 1
        where = (self._nowhere + heads).repeat(self._rows, 1)
        where[rows] = (at[:, None] * len(heads) + heads) * columns + begin[:, None]
        return {"ids": tokens, "seats": chosen, "lengths": lengths, "where": where.flatten()}

    def _work(self) -> None:
        shape, cache, numbers = self._decoder.shape, self._cache, self._numbers
        hidden = self._decoder.embed(numbers["ids"])[None]
        positions = self._next.index_select(1, numbers["seats"])[..., None].expand(-1, -1, shape.axes)
        cos, sin = self._rotary.angles(positions)
        unseen, key_ends = beyond(numbers["lengths"], cache.columns), self._token_rows.key_ends(numbers["lengths"])
        for layer in range(shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            queries, keys = turned(torch.cat((queries, keys), 1), cos[layer], sin[layer]).split(
                (shape.heads, shape.kv_heads), 1
            )
            cache.write(layer, numbers["where"], per_head(keys), per_head(values))
            by_head = queries[0].transpose(0, 1).reshape(self._rows, shape.kv_heads, -1, shape.head_dim)
            if self.by_seat and layer < self._deep_from:
                attended = self._token_rows.attend(by_head, cache.flat(layer), key_ends)
            else:
                attended, weights = self._observed(layer, by_head, unseen)
                if layer >= self._deep_from:
                    self._weights[layer - self._deep_from] = weights
            attended = attended.flatten(1, 2)
            hidden = self._decoder.finish(layer, hidden, attended.transpose(0, 1)[None])
        self._logits.copy_(self._decoder.logits(hidden[0]))

    def _observed(self, layer: int, queries: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
        """What is attended, ``[rows, kv_heads, group, head_dim]``, and the mean weights, ``[rows, columns]``."""
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        if not self.by_seat:
            keys, values = (held.index_select(0, self._numbers["seats"]) for held in (keys, values))
        weights = weights_on(queries, keys, unseen, self._decoder.scaling)
        return weighted(weights, values), weights.mean(dim=(1, 2))
