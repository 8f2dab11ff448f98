"""Reading questions, packed one behind the other, as one captured pass."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.answering.seats.seat_cache import SeatCache
from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.head_rows import HeadRows, per_head
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.engine.graphs.whole_cache import beyond, weights_on
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


class QuestionPass:
    """Reads up to ``tokens`` tokens, of any seats.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        cache: of the seats.
        tokens: tokens of all seats together.
        deep_from: the first layer in which the weights of each seat's last token are wanted.
        kernels: attention over sequences of any lengths.
        capture: makes it repeatable.
    """

    def __init__(
        self,
        decoder: Decoder,
        rotary: RotaryTable,
        cache: SeatCache,
        *,
        tokens: int,
        deep_from: int,
        kernels: Kernels,
        capture: Capture,
    ) -> None:
        self._decoder, self._rotary, self._cache, self._deep_from = decoder, rotary, cache, deep_from
        shape, device = decoder.shape, decoder.device
        self._rows = HeadRows(
            rows=cache.seats,
            tokens=tokens,
            kv_heads=shape.kv_heads,
            columns=cache.columns,
            scaling=decoder.scaling,
            kernels=kernels,
        )
        self._numbers = Numbers({**self._rows.sizes, "last": cache.seats, "lengths": cache.seats}, device)
        self._numbers.fill(self._places([0] * cache.seats, [0] * cache.seats))
        self._embeds = torch.zeros((tokens, shape.hidden), dtype=decoder.dtype, device=device)
        self._positions = torch.zeros((shape.layers, tokens, shape.axes), dtype=torch.int32, device=device)
        self._logits = torch.zeros((cache.seats, shape.vocabulary), dtype=torch.float32, device=device)
        self._weights = torch.zeros((shape.layers - deep_from, cache.seats, cache.columns), device=device)
        self._replay = capture(self._work)

    def run(
        self, embeds: Tensor, positions: Tensor, tokens: Sequence[int], starts: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Write tokens into their seats.

        Args:
            embeds: ``[tokens, hidden]``, in the order of their seats.
            positions: ``[layers, tokens, axes]`` int32.
            tokens: how many each seat reads.
            starts: tokens that each seat holds already.

        Returns:
            The logits behind each seat's last token, ``[seats, vocabulary]`` float32, and its weights
            ``[deep layers, seats, columns]`` float32, averaged over heads, valid until the next pass. Of seats that
            read nothing they mean nothing.
        """
        count = embeds.shape[0]
        self._embeds[:count] = embeds
        self._embeds[count:] = 0
        self._positions[:, :count] = positions
        self._numbers.fill(self._places(tokens, starts))
        self._replay()
        return self._logits.clone(), self._weights

    def _places(self, tokens: Sequence[int], starts: Sequence[int]) -> dict[str, Tensor]:
        reads = torch.tensor(list(tokens))
        held = torch.tensor(list(starts)) + reads
        last = (reads.cumsum(0) - 1).clamp(min=0)
        lengths = held.clamp(min=1)  # a softmax over nothing would be no number
        return {**self._rows.numbers(tokens, held.tolist()), "last": last, "lengths": lengths}

    def _work(self) -> None:
        shape, cache, numbers = self._decoder.shape, self._cache, self._numbers
        hidden = self._embeds[None]
        cos, sin = self._rotary.angles(self._positions)
        unseen = beyond(numbers["lengths"], cache.columns)
        for layer in range(shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            queries, keys = turned(torch.cat((queries, keys), 1), cos[layer], sin[layer]).split(
                (shape.heads, shape.kv_heads), 1
            )
            cache.write(layer, numbers["where"], per_head(keys), per_head(values))
            if layer >= self._deep_from:
                observing = queries[0].index_select(1, numbers["last"]).transpose(0, 1)
                by_head = observing.reshape(cache.seats, shape.kv_heads, -1, shape.head_dim)
                weights = weights_on(by_head, cache.keys[layer], unseen, self._decoder.scaling)
                self._weights[layer - self._deep_from] = weights.mean(dim=(1, 2))
            attended = self._rows.attend(queries[0], cache.flat(layer), (keys[0], values[0]), numbers)
            hidden = self._decoder.finish(layer, hidden, attended.transpose(0, 1)[None])
        self._logits.copy_(self._decoder.logits(hidden[0].index_select(0, numbers["last"])))
