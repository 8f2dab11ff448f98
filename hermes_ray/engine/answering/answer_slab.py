"""Private copies of memories, and the decoder passes that answer questions on them.

A question copies its stream's memory and rotates the keys once; from then on nothing that it does can be seen from
outside, and nothing that happens to the stream reaches it. All copies live in one preallocated block.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.cached_keys import read_rotated
from hermes_ray.engine.attention.dot_product import additive_mask, attend, attention_weights
from hermes_ray.engine.contracts import FrameEvidence
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.tiers import layout
from hermes_ray.models.adapter import VisualBlock
from hermes_ray.models.decoder import Decoder
from hermes_ray.models.rotary import RotaryTable, turned

_FRAMES_SHOWN = 8
"""Frames that :meth:`AnswerSlab.evidence` names."""


class AnswerSlab:
    """Room for ``seats`` questions: ``[layers, seats, kv_heads, capacity, head_dim]``, keys rotated, and values.

    In the long-term layers it also sums up what the answers' tokens attend to: their evidence.

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
        self._visual = [slice(0, 0)] * seats
        self._deep_from = layout(shape.layers).long_term_from
        deep = (shape.layers - self._deep_from, seats, capacity)
        self._frames = torch.zeros(deep, dtype=torch.int32, device=decoder.device)
        self._attention = torch.zeros(deep, dtype=torch.float32, device=decoder.device)
        self._capacity = capacity
        self._free = list(range(seats - 1, -1, -1))

    @property
    def nbytes(self) -> int:
        """Bytes of all copies together."""
        tensors = (self._keys, self._values, self._frames, self._attention)
        return sum(tensor.numel() * tensor.dtype.itemsize for tensor in tensors)

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
        read_rotated(slab, self._rotary, slice(None), slot, held, out=self._keys[:, seat, :, held])
        self._values[:, seat, :, held] = slab.values[:, slot, :, held]
        self._next[:, seat] = slab.largest_positions([slot])[:, 0].amax(dim=-1) + 1
        self._lengths[seat] = length
        self._visual[seat] = slice(slab.prefix, length)
        self._frames[:, seat, held] = slab.frames[self._deep_from :, slot, held]
        self._attention[:, seat] = 0
        return seat

    @torch.inference_mode()
    def extend(self, seat: int, block: VisualBlock, positions: Tensor, frame: int) -> None:
        """Show a seat frames that its memory does not hold for good (:meth:`MemoryWriter.preview`).

        Args:
            seat: a copied memory that has read nothing yet.
            block: the frames.
            positions: ``[layers, tokens, axes]`` int32.
            frame: number of the block's first frame.
        """
        begin, text = self._lengths[seat], self._next[:, seat].clone()
        self._forward(
            [seat],
            range(seat, seat + 1),
            block.embeds[None],
            lambda hidden: hidden,
            observe=False,
            positions=positions[:, None],
            deepstack=block.deepstack,
        )
        self._next[:, seat] = torch.maximum(text, positions.amax(dim=(1, 2)) + 1)
        self._visual[seat] = slice(self._visual[seat].start, self._lengths[seat])
        self._frames[:, seat, begin : self._lengths[seat]] = frame

    def wipe(self, seat: int) -> None:
        """Remove what a failed question may have left, before the seat is given back.

        A mask hides it from the next question, but a NaN would pass it: 0 times NaN is NaN.
        """
        for tensor in (self._keys, self._values, self._attention):
            tensor[:, seat] = 0

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
        return self._forward([seat], range(seat, seat + 1), embeds[None], self._last_logits([0]), observe=True)[0]

    @torch.inference_mode()
    def score(self, seat: int, ids: Sequence[int]) -> Tensor:
        """What would follow each of some tokens, if the answer went on with them; the seat stays as it was.

        Args:
            seat: a memory with its question read.
            ids: at least one token.

        Returns:
            Logits behind each of them, ``[len(ids), vocabulary]`` float32.
        """
        embeds = self._decoder.embed(torch.tensor(ids, device=self._decoder.device))
        seats, span = [seat], range(seat, seat + 1)
        logits = self._forward(seats, span, embeds[None], lambda hidden: self._decoder.logits(hidden[0]), observe=False)
        self._advance(seats, -len(ids))
        return logits

    def evidence(self, seat: int) -> tuple[FrameEvidence, ...]:
        """The frames that the answer's tokens attended to most, over all long-term layers and heads."""
        visual = self._visual[seat]
        attention = self._attention[:, seat, visual].flatten()
        total = attention.sum()
        frames, index = self._frames[:, seat, visual].flatten().unique(return_inverse=True)
        weights = torch.zeros(len(frames), device=attention.device).index_add_(0, index, attention) / total
        weights[frames < 0] = 0  # summaries stand for many frames and so point at none
        best = weights.topk(min(_FRAMES_SHOWN, len(frames)))
        return tuple(
            FrameEvidence(frame, weight)
            for frame, weight in zip(frames[best.indices].tolist(), best.values.tolist(), strict=True)
            if weight > 0
        )

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
        embeds = self._decoder.embed(ids.to(self._decoder.device))[:, None]
        return self._forward(seats, span, embeds, self._last_logits(rows), observe=True)

    def _last_logits(self, rows: list[int]) -> Callable[[Tensor], Tensor]:
        return lambda hidden: self._decoder.logits(hidden[rows, -1])

    def _forward(
        self,
        seats: Sequence[int],
        span: range,
        embeds: Tensor,
        read: Callable[[Tensor], Tensor],
        *,
        observe: bool,
        positions: Tensor | None = None,
        deepstack: Tensor | None = None,
    ) -> Tensor:
        """Run ``embeds`` ``[span, tokens, hidden]``; return what ``read`` makes of the hidden states.

        The new keys and values of ``seats`` are kept.

        Nothing is kept of a pass that fails: what it has written lies behind the lengths, and the next writes over it.

        With ``observe``, what the last token of each seat attends to becomes evidence. Tokens without ``positions``
        ``[layers, span, tokens, axes]`` are text. ``deepstack`` ``[levels, tokens, hidden]`` joins the first layers'
        outputs.
        """
        tokens = embeds.shape[1]
        device = embeds.device
        past = torch.tensor([self._lengths[seat] for seat in span], device=device)
        end = max(self._lengths[seat] for seat in seats) + tokens
        assert end <= self._capacity, "the engine limits questions and answers so that they fit"
        ahead = torch.arange(tokens, device=device)
        visible = torch.arange(end, device=device) <= (past[:, None] + ahead)[..., None]
        group = self._decoder.shape.heads // self._decoder.shape.kv_heads
        mask, last_mask = (additive_mask(part, group, embeds.dtype) for part in (visible, visible[:, -1:]))
        view = slice(span.start, span.stop)
        starts = [self._lengths[seat] for seat in seats]
        places = _Places([seat - span.start for seat in seats], starts, tokens, device)
        if positions is None:
            text = (self._next[:, view, None] + ahead)[..., None]
            positions = text.expand(-1, -1, -1, self._decoder.shape.axes)
        cos, sin = self._rotary.angles(positions)
        hidden = embeds
        observed: list[Tensor] = []
        for layer in range(self._decoder.shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            queries, keys = (turned(states, cos[layer], sin[layer]) for states in (queries, keys))
            layer_keys, layer_values = self._keys[layer, view], self._values[layer, view]
            places.store(keys, layer_keys)
            places.store(values, layer_values)
            held_keys, held_values = layer_keys[:, :, :end], layer_values[:, :, :end]
            if observe and layer >= self._deep_from:
                weights = attention_weights(queries[:, :, -1:], held_keys, last_mask, self._decoder.scaling)
                observed.append(weights.mean(dim=(1, 2)))
            attended = attend(queries, held_keys, held_values, mask, self._decoder.scaling)
            hidden = self._decoder.finish(layer, hidden, attended)
            if deepstack is not None and layer < deepstack.shape[0]:
                hidden = hidden + deepstack[layer]
        result = read(hidden)
        for depth, weights in enumerate(observed):
            self._attention[depth, view, :end] += weights
        self._advance(seats, tokens)
        return result

    def _advance(self, seats: Sequence[int], tokens: int) -> None:
        for seat in seats:
            self._lengths[seat] += tokens
            self._next[:, seat] += tokens


class _Places:
    """Where the new tokens of some seats go, in every layer of a pass.

    Args:
        rows: the seats' rows in the pass.
        starts: the column at which each begins to write.
        tokens: how many each writes.
        device: where the caches are.
    """

    def __init__(self, rows: Sequence[int], starts: Sequence[int], tokens: int, device: torch.device) -> None:
        # A question is read alone, and a plain copy costs less than an indexed one.
        self._alone = (rows[0], slice(starts[0], starts[0] + tokens)) if len(rows) == 1 else None
        if self._alone is None:
            self._ahead = torch.arange(tokens, device=device)
            self._rows = torch.tensor(rows, device=device)[:, None]
            self._columns = torch.tensor(starts, device=device)[:, None] + self._ahead

    def store(self, new: Tensor, cache: Tensor) -> None:
        """Write the seats' rows of ``new`` ``[rows, heads, tokens, head_dim]`` into one layer's cache."""
        if self._alone is not None:
            row, columns = self._alone
            cache[row, :, columns] = new[row]
        else:
            cache.transpose(1, 2)[self._rows, self._columns] = new.transpose(1, 2)[self._rows, self._ahead]
