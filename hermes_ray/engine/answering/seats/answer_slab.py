"""Private copies of memories, and the decoder passes that answer questions on them.

A question copies its stream's memory and rotates the keys once; from then on nothing that it does can be seen from
outside, and nothing that happens to the stream reaches it. All copies live in one preallocated block.
"""

from collections.abc import Generator, Hashable, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from hermes_ray.engine.answering.graphs.readings import ReadingGraphs
from hermes_ray.engine.answering.seats.moments import moments
from hermes_ray.engine.answering.seats.reading import PackedReadings, Preview, Reading, embed
from hermes_ray.engine.answering.seats.seat_cache import SeatCache
from hermes_ray.engine.answering.seats.seats import Seats, Taken
from hermes_ray.engine.attention.cached_keys import read_rotated
from hermes_ray.engine.contracts import FrameEvidence
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.transfer import read_back, to_device
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


class AnswerSlab:
    """Room for ``seats`` questions: ``[layers, seats, kv_heads, capacity, head_dim]``, keys rotated, and values.

    In the long-term layers it also sums up what the answers' tokens attend to: their evidence.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        seats: questions answered at once.
        capacity: tokens of the largest memory plus the longest question and answer.

    Attributes:
        cache: keys and values of the seats.
        next_positions: of every layer and seat the position where text goes on, ``[layers, seats]`` int32. Layers
            differ because each evicted other tokens.
        deep_from: the first long-term layer.
        graphs: captured passes, once there are any; without, every pass runs eagerly.
    """

    def __init__(self, decoder: Decoder, rotary: RotaryTable, *, seats: int, capacity: int) -> None:
        shape = decoder.shape
        self._decoder = decoder
        self._rotary = rotary
        self.graphs: ReadingGraphs | None = None
        self.cache = SeatCache(shape, seats=seats, capacity=capacity, dtype=decoder.dtype, device=decoder.device)
        self._keys, self._values = self.cache.keys, self.cache.values
        self.next_positions = torch.zeros((shape.layers, seats), dtype=torch.int32, device=decoder.device)
        self._lengths = [0] * seats
        self._visual = [slice(0, 0)] * seats
        self.deep_from = layout(shape.layers).long_term_from
        deep = (shape.layers - self.deep_from, seats, capacity)
        self._frames = torch.zeros(deep, dtype=torch.int32, device=decoder.device)
        self._attention = torch.zeros(deep, dtype=torch.float32, device=decoder.device)
        self._capacity = capacity
        self._seats = Seats(seats)

    @property
    def nbytes(self) -> int:
        """Bytes of all copies together."""
        named = (self._frames, self._attention)
        return self.cache.nbytes + sum(tensor.numel() * tensor.dtype.itemsize for tensor in named)

    @property
    def seats_free(self) -> int:
        """Questions that can be taken now."""
        return self._seats.free

    def room(self, seat: int) -> int:
        """Tokens that a seat can still read."""
        return self._capacity - self._lengths[seat]

    @torch.inference_mode()
    def copy(self, slab: KVSlab, slot: int, of: Hashable = None) -> int:
        """Copy a stream's memory into a free seat, rotating its keys; the caller has checked :attr:`seats_free`.

        What any seat still holds of the same memory is not rotated again.

        Args:
            slab: where the memory is.
            slot: its slot.
            of: its name for as long as it only grows (:attr:`StreamMemory.version`); ``None`` copies all of it.

        Returns:
            The seat.
        """
        taken = self._seats.take(of, slab.lengths[slot])
        try:
            self._copy(slab, slot, taken)
        except Exception:
            self.wipe(taken.seat)
            self.release(taken.seat)
            raise
        return taken.seat

    def wipe(self, seat: int) -> None:
        """Remove what a failed question may have left, before the seat is given back.

        A mask hides it from the next question, but a NaN would pass it: 0 times NaN is NaN.
        """
        for tensor in (self._keys, self._values, self._attention):
            tensor[:, seat] = 0
        self._seats.forget(seat)

    def release(self, seat: int) -> None:
        """Give a seat back."""
        self._seats.give_back(seat)

    def prefill(self, seat: int, embeds: Tensor) -> Tensor:
        """Read one question ``[tokens, hidden]``; returns the logits behind it, ``[vocabulary]`` float32."""
        return self.read([Reading(seat, embeds)])[0][0]

    def decode(self, seats: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Append a token to each of several answers; returns the logits behind, ``[seats, vocabulary]`` float32."""
        logits = self.read([Reading(seat, ids=(token,)) for seat, token in zip(seats, tokens, strict=True)])
        return torch.cat(logits)

    @torch.inference_mode()
    def read(self, readings: Sequence[Reading], *, observe: bool = True) -> list[Tensor]:
        """Read questions and tokens of answers, all in one pass.

        Nothing is kept of a pass that fails: what it has written lies behind the lengths, and the next writes over it.

        Args:
            readings: at least one; of each seat at most one.
            observe: what the last kept token of each seat attends to becomes evidence.

        Returns:
            For each, logits behind its last kept token, if it keeps any, and behind every token of its branches:
            ``[1 + branch tokens, vocabulary]`` float32.
        """
        pieces = self.pieces(readings, observe=observe)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                return end.value

    @torch.inference_mode()
    def pieces(self, readings: Sequence[Reading], *, observe: bool = True) -> Generator[None, None, list[Tensor]]:
        """What :meth:`read` does, layer by layer: between two of them others may read on other seats.

        Whoever leaves the rest undone closes the generator; nothing is kept of the pass then. Passes captured as graphs
        are one piece.

        Args:
            readings: as for :meth:`read`. Their seats belong to the pass until it ends.
            observe: as for :meth:`read`.

        Returns:
            As :meth:`read`.
        """
        assert all(reading.tokens <= self.room(reading.seat) for reading in readings), "the engine's limits see to it"
        if self.graphs is not None and self.graphs.takes(readings):
            return self._replayed(readings, self.graphs)
        return (yield from self._eagerly(readings, observe))

    def _replayed(self, readings: Sequence[Reading], graphs: ReadingGraphs) -> list[Tensor]:
        order = sorted(range(len(readings)), key=lambda index: readings[index].seat)
        ordered = [readings[index] for index in order]
        text = [(reading.seat, reading.kept - reading.shown) for reading in ordered]
        seats, steps = to_device(torch.tensor(text), self._decoder.device).T

        def lay_out() -> tuple[Tensor, Tensor]:
            where = [(reading.seat, step) for reading in ordered for step in reading.steps()]
            token_seats, token_steps = to_device(torch.tensor(where), self._decoder.device).T
            firsts = accumulate((reading.tokens for reading in ordered), initial=0)
            shown = [(reading.preview, first) for reading, first in zip(ordered, firsts, strict=False)]
            previews = [(preview, first) for preview, first in shown if preview is not None]
            return embed(ordered, self._decoder), self._positions(ordered, token_seats, token_steps, previews)

        read = graphs.read(ordered, seats, self._lengths, lay_out)
        self._attention.index_add_(1, seats, read.weights[..., : self._capacity])
        self._keep(ordered, seats, steps)
        return [logits for _, logits in sorted(zip(order, read.logits, strict=True), key=lambda pair: pair[0])]

    def _eagerly(self, readings: Sequence[Reading], observe: bool) -> Generator[None, None, list[Tensor]]:
        shape = self._decoder.shape
        batch = PackedReadings(readings, self._lengths, self._decoder)
        cos, sin = self._rotary.angles(self._positions(readings, batch.seats, batch.steps, batch.previews))
        alone = readings[0] if len(readings) == 1 else None
        observed: list[list[Tensor]] = []
        hidden = batch.embeds
        for layer in range(shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            queries, keys = turned(torch.cat((queries, keys), 1), cos[layer], sin[layer]).split(
                (shape.heads, shape.kv_heads), 1
            )
            self._store(layer, alone, batch, keys, values)
            held_keys, held_values = self._keys[layer], self._values[layer]
            if observe and layer >= self.deep_from:
                observed.append([run.observe(queries, held_keys) for run in batch.runs])
            attended = batch.attended([run.attend(queries, held_keys, held_values) for run in batch.runs])
            hidden = self._decoder.finish(layer, hidden, attended)
            _add_deepstack(layer, hidden, batch)
            yield
        logits = self._decoder.logits(hidden[0, batch.wanted])
        # First what takes room on the device: if there is none, nothing is kept yet.
        text = torch.tensor([(reading.seat, reading.kept - reading.shown) for reading in readings])
        seats, steps = to_device(text, self._decoder.device).T
        for depth, runs in enumerate(observed):
            for run, weights in zip(batch.runs, runs, strict=True):
                self._attention[depth, run.seats, : run.end] += weights
        self._keep(readings, seats, steps)
        return batch.unpacked(logits)

    def evidence(self, seat: int) -> tuple[FrameEvidence, ...]:
        """What the answer's tokens attended to most, over all long-term layers and heads; see :func:`moments`."""
        visual = self._visual[seat]
        attention = self._attention[:, seat, visual].flatten()
        # Sums of runs of the sorted frames, one place for every token: how many frames there are only the device knows.
        frames, order = self._frames[:, seat, visual].flatten().sort(stable=True)
        run = frames.diff(prepend=frames[:1]).ne(0).cumsum(0)
        weights = torch.zeros_like(attention).index_add_(0, run, attention[order]) / attention.sum()
        named = torch.zeros_like(frames).index_copy_(0, run, frames)
        weights *= named >= 0  # summaries stand for many frames and so point at none
        names, shares = read_back(named), read_back(weights)
        return moments(names[shares > 0], shares[shares > 0])

    def _copy(self, slab: KVSlab, slot: int, taken: Taken) -> None:
        length = slab.lengths[slot]
        seat, known = taken.seat, slice(taken.own, taken.shared)
        if known.start < known.stop:
            for cache in (self._keys, self._values):
                cache[:, seat, :, known] = cache[:, taken.source, :, known]
            self._frames[:, seat, known] = self._frames[:, taken.source, known]
        new = slice(taken.shared, length)
        if new.start < new.stop:
            read_rotated(slab, self._rotary, slice(None), slot, new, out=self._keys[:, seat, :, new])
            self._values[:, seat, :, new] = slab.values[:, slot, :, new]
            self._frames[:, seat, new] = slab.frames[self.deep_from :, slot, new]
        self.next_positions[:, seat] = slab.largest_positions([slot])[:, 0].amax(dim=-1) + 1
        self._lengths[seat] = length
        self._visual[seat] = slice(slab.prefix, length)
        self._attention[:, seat] = 0

    def _positions(
        self, readings: Sequence[Reading], seats: Tensor, steps: Tensor, previews: Sequence[tuple[Preview, int]]
    ) -> Tensor:
        """``[layers, tokens, axes]``: text behind all that its seat holds, frames where they belong."""
        for reading in readings:
            if reading.preview is not None:  # the text begins behind the frames; to say so twice changes nothing
                behind = reading.preview.positions.amax(dim=(1, 2)) + 1
                self.next_positions[:, reading.seat] = torch.maximum(self.next_positions[:, reading.seat], behind)
        text = (self.next_positions[:, seats] + steps)[..., None].expand(-1, -1, self._decoder.shape.axes)
        if not previews:
            return text
        positions = text.clone()
        for preview, first in previews:
            positions[:, first : first + preview.block.tokens] = preview.positions
        return positions

    def _store(self, layer: int, alone: Reading | None, batch: PackedReadings, keys: Tensor, values: Tensor) -> None:
        """Write one layer's new keys and values ``[1, kv_heads, tokens, head_dim]`` into the seats."""
        for new, cache in ((keys, self._keys[layer]), (values, self._values[layer])):
            if alone is not None:  # a plain copy costs less than an indexed one
                begin = self._lengths[alone.seat]
                cache[alone.seat, :, begin : begin + alone.tokens] = new[0]
            else:
                cache.transpose(1, 2)[batch.seats, batch.columns] = new[0].transpose(0, 1)

    def _keep(self, readings: Sequence[Reading], seats: Tensor, steps: Tensor) -> None:
        """Count in what was read: at these seats, so many tokens of text, both ``[readings]`` int64."""
        text = steps.to(self.next_positions.dtype).expand(self.next_positions.shape[0], -1)
        self.next_positions.index_add_(1, seats, text)
        for reading in readings:
            begin = self._lengths[reading.seat]
            if reading.preview is not None:
                self._visual[reading.seat] = slice(self._visual[reading.seat].start, begin + reading.shown)
                self._frames[:, reading.seat, begin : begin + reading.shown] = reading.preview.frame
            self._lengths[reading.seat] = begin + reading.kept


def _add_deepstack(layer: int, hidden: Tensor, batch: PackedReadings) -> None:
    """Add to one layer's output ``[1, tokens, hidden]`` what the vision tower adds to it, in place."""
    for preview, first in batch.previews:
        deepstack = preview.block.deepstack
        if deepstack is not None and layer < deepstack.shape[0]:
            hidden[0, first : first + preview.block.tokens] += deepstack[layer]
