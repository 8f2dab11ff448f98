"""Private copies of memories, and the decoder passes that answer questions on them.

A question copies its stream's memory and rotates the keys once; from then on nothing that it does can be seen from
outside, and nothing that happens to the stream reaches it. All copies live in one preallocated block.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention import attend
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.decoder import Decoder
from hermes_ray.models.rotary import RotaryTable


class AnswerSlab:
    """Room for ``seats`` questions: ``[layers, seats, kv_heads, capacity, head_dim]``, keys rotated, and values.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        seats: questions answered at once.
        capacity: tokens of the largest memory plus the longest question and answer.
    """

    def __init__(self, decoder: Decoder, rotary: RotaryTable, *, seats: int, capacity: int) -> None:
        shape = decoder.shape
        size = (shape.layers, seats, shape.kv_heads, capacity, shape.head_dim)
        self._decoder = decoder
        self._rotary = rotary
        self._keys = torch.zeros(size, dtype=decoder.dtype, device=decoder.device)
        self._values = torch.zeros(size, dtype=decoder.dtype, device=decoder.device)
        # The next text position of every layer; layers differ because each evicted other tokens.
        self._next = torch.zeros((shape.layers, seats), dtype=torch.int32, device=decoder.device)
        self._lengths = [0] * seats
        self._capacity = capacity
        self._free = list(range(seats - 1, -1, -1))

    @property
    def nbytes(self) -> int:
        """Bytes of all copies together."""
        return 2 * self._keys.numel() * self._keys.dtype.itemsize

    @property
    def seats_free(self) -> int:
        """Questions that can be taken now."""
        return len(self._free)

    @torch.inference_mode()
    def copy(self, slab: KVSlab, slot: int) -> int:
        """Copy a stream's memory into a free seat, rotating its keys; the caller has checked :attr:`seats_free`.

        Returns:
            The seat.
        """
        seat = self._free.pop()
        length = slab.lengths[slot]
        held = slice(0, length)
        positions = slab.positions[:, slot, held]
        self._keys[:, seat, :, held] = self._rotary.rotate(slab.keys[:, slot, :, held], positions)
        self._values[:, seat, :, held] = slab.values[:, slot, :, held]
        self._next[:, seat] = slab.largest_positions([slot])[:, 0].amax(dim=-1) + 1
        self._lengths[seat] = length
        return seat

    def release(self, seat: int) -> None:
        """Give a seat back."""
        self._free.append(seat)
        self._free.sort(reverse=True)

    @torch.inference_mode()
    def prefill(self, seat: int, embeds: Tensor) -> Tensor:
        """Read a question.

        Args:
            seat: a copied memory.
            embeds: ``[tokens, hidden]``.

        Returns:
            Logits behind its last token, ``[vocabulary]`` float32.
        """
        hidden = self._forward([seat], range(seat, seat + 1), embeds[None])
        return self._decoder.logits(hidden[0, -1])

    @torch.inference_mode()
    def decode(self, seats: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append one token to each of several answers.

        Args:
            seats: answers in progress.
            tokens: the token of each.

        Returns:
            Logits behind them, ``[len(seats), vocabulary]`` float32.
        """
        # Computing a whole range of neighbouring seats, free ones included, needs no copy of any cache.
        span = range(min(seats), max(seats) + 1)
        ids = torch.zeros(len(span), dtype=torch.int64)
        rows = [seat - span.start for seat in seats]
        ids[rows] = torch.tensor(tokens)
        hidden = self._forward(seats, span, self._decoder.embed(ids.to(self._decoder.device))[:, None])
        return self._decoder.logits(hidden[rows, -1])

    def _forward(self, seats: Sequence[int], span: range, embeds: Tensor) -> Tensor:
        """Run ``embeds`` ``[span, tokens, hidden]`` and keep the new keys and values of ``seats``."""
        tokens = embeds.shape[1]
        device = embeds.device
        past = torch.tensor([self._lengths[seat] for seat in span], device=device)
        end = max(self._lengths[seat] for seat in seats) + tokens
        assert end <= self._capacity, "the engine limits questions and answers so that they fit"
        ahead = torch.arange(tokens, device=device)
        visible = torch.arange(end, device=device) <= (past[:, None] + ahead)[..., None]
        rows = torch.tensor([seat - span.start for seat in seats], device=device)[:, None]
        columns = past[rows] + ahead
        view = slice(span.start, span.stop)
        hidden = embeds
        for layer in range(self._decoder.shape.layers):
            positions = (self._next[layer, view, None] + ahead)[..., None].expand(-1, -1, self._decoder.shape.axes)
            queries, keys, values = self._decoder.project(layer, hidden)
            layer_keys, layer_values = self._keys[layer, view], self._values[layer, view]
            rotated = self._rotary.rotate(keys, positions)
            layer_keys.transpose(1, 2)[rows, columns] = rotated.transpose(1, 2)[rows, ahead]
            layer_values.transpose(1, 2)[rows, columns] = values.transpose(1, 2)[rows, ahead]
            attended = attend(
                self._rotary.rotate(queries, positions),
                layer_keys[:, :, :end],
                layer_values[:, :, :end],
                visible,
                self._decoder.scaling,
            )
            hidden = self._decoder.finish(layer, hidden, attended)
        for seat in seats:
            self._lengths[seat] += tokens
            self._next[:, seat] += tokens
        return hidden
