"""The rows of one encoding pass: what each stream brings, and all of them padded to rectangles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention.dot_product import additive_mask
from hermes_ray.memory.slab import KVSlab


@dataclass(frozen=True, slots=True)
class ProbeSpan:
    """A probe's tokens within its row, and the layers in which its attention counts.

    Attributes:
        start: index of its first token in the row.
        stop: index behind its last token.
        layers: layer indices to observe.
    """

    start: int
    stop: int
    layers: range


@dataclass(frozen=True, slots=True)
class EncodeRow:
    """One stream's share of a pass.

    Attributes:
        slot: the stream's slot.
        embeds: ``[tokens, hidden]``: first the tokens to store, then the probes.
        positions: ``[layers, tokens, axes]`` int32.
        frames: ``[stored]`` int32, frame number of each token to store.
        patches: ``[stored]`` int32, patch number of each token to store.
        probes: spans behind the stored tokens; those that the last layers listen to first, so that what no further
            layer listens to can be left off at the end.
        deepstack: ``[levels, stored, hidden]``, added to the stored tokens behind layer 0, 1 ...; ``None`` for nothing.
    """

    slot: int
    embeds: Tensor
    positions: Tensor
    frames: Tensor
    patches: Tensor
    probes: tuple[ProbeSpan, ...] = ()
    deepstack: Tensor | None = None

    @property
    def stored(self) -> int:
        """Tokens that become part of the memory."""
        return self.frames.shape[0]

    @property
    def tokens(self) -> int:
        """All tokens of the row."""
        return self.embeds.shape[0]


@dataclass(frozen=True, slots=True)
class PlacedProbe:
    """A probe in the batch.

    Attributes:
        row: index of its row.
        span: its tokens there.
        mask: what they see, ``[1, 1, group * tokens, longest + span.stop]`` (:func:`additive_mask`).
    """

    row: int
    span: ProbeSpan
    mask: Tensor

    @property
    def sees(self) -> int:
        """Columns that it may look at: what the slots hold, and the row up to its own end."""
        return self.mask.shape[-1]


class PaddedRows:
    """The rows of one pass, padded to rectangles, with everything that is the same in all layers.

    Attributes:
        longest: the most tokens that a slot of the pass holds. New tokens are columns from there on.
        stored: the most tokens that a row stores.
        slots: the rows' slots, as an index into the slab.
        embeds: ``[batch, tokens, hidden]``.
        mask: what the tokens to store see, ``[batch, 1, group * stored, longest + stored]`` (:func:`additive_mask`).
    """

    def __init__(self, rows: Sequence[EncodeRow], slab: KVSlab, group: int) -> None:
        self._rows = rows
        self._lengths = [slab.lengths[row.slot] for row in rows]
        self._prefix = slab.prefix
        self.longest = max(self._lengths)
        self.stored = max(row.stored for row in rows)
        # A slice of neighbouring slots is a view of the slab; a list would copy it.
        self.slots = _as_slice([row.slot for row in rows])
        width = max(row.tokens for row in rows)
        self.embeds = torch.stack([_pad(row.embeds, width, 0) for row in rows])
        self._positions = torch.stack([_pad(row.positions, width, 1) for row in rows], dim=1)
        # Behind the last layer nothing is needed any more.
        self._widths = [max(_needed(row, layer) for row in rows) for layer in range(slab.shape.layers)] + [0]
        self._deepstack = _stack_deepstack(rows, width)
        self._mask_all(group)
        self._locate()

    def width(self, layer: int) -> int:
        """Tokens of a row that this layer or a later one has a use for."""
        return self._widths[layer]

    def positions_in(self, layer: int) -> Tensor:
        """``[batch, width, axes]`` int32."""
        return self._positions[layer, :, : self.width(layer)]

    def probes_in(self, layer: int) -> Iterator[PlacedProbe]:
        """The probes that this layer or a later one listens to."""
        return (probe for probe in self._probes if probe.span.layers.stop > layer)

    def visual(self, row: int, columns: Tensor) -> Tensor:
        """Of numbers per column ``[longest + new]``, those of a row's visual tokens, cached and stored."""
        old = columns[self._prefix : self._lengths[row]]
        return torch.cat((old, columns[self.longest : self.longest + self._rows[row].stored]))

    def add_deepstack(self, layer: int, hidden: Tensor) -> Tensor:
        """One layer's output ``[batch, width, hidden]`` with what the vision tower adds to it."""
        if self._deepstack is None or layer >= self._deepstack.shape[0]:
            return hidden
        return hidden + self._deepstack[layer, :, : hidden.shape[1]]

    def store(self, slab: KVSlab, layer: int, keys: Tensor, values: Tensor) -> None:
        """Scatter one layer's new keys and values, and the identity of their tokens, behind what the slots hold."""
        slab.keys[layer].transpose(1, 2)[self._to] = keys.transpose(1, 2)[self._from]
        slab.values[layer].transpose(1, 2)[self._to] = values.transpose(1, 2)[self._from]
        slab.positions[layer][self._to] = self._positions[layer][self._from]
        slab.frames[layer][self._to], slab.patches[layer][self._to] = self._identity
        slab.counts[layer][self._to] = 1

    def _mask_all(self, group: int) -> None:
        dtype, device = self.embeds.dtype, self.embeds.device
        sees = [self._sees(row, cached) for row, cached in zip(self._rows, self._lengths, strict=True)]
        self.mask = additive_mask(torch.stack(sees).to(device), group, dtype)
        self._probes = [
            PlacedProbe(index, span, additive_mask(self._probe_sees(index, span)[None].to(device), group, dtype))
            for index, row in enumerate(self._rows)
            for span in row.probes
        ]

    def _sees(self, row: EncodeRow, cached: int) -> Tensor:
        """What the tokens to store see: ``[stored, longest + stored]`` bool, columns being cached, then new tokens."""
        visible = torch.ones((self.stored, self.longest + self.stored), dtype=torch.bool).tril(self.longest)
        visible[:, cached : self.longest] = False
        visible[row.stored :, self.longest] = True  # padding must see something; nothing reads what it computes
        return visible

    def _probe_sees(self, row: int, span: ProbeSpan) -> Tensor:
        """What a probe sees: its stream's tokens, and causally itself; ``[tokens, longest + stop]`` bool."""
        visible = torch.ones((span.stop - span.start, self.longest + span.stop), dtype=torch.bool)
        visible[:, self._lengths[row] : self.longest] = False
        visible[:, self.longest + self._rows[row].stored : self.longest + span.start] = False
        return visible.tril(self.longest + span.start)

    def _locate(self) -> None:
        """Where in the batch each token to store is, where in the slab it goes, and what it is."""
        pairs = list(zip(self._rows, self._lengths, strict=True))
        source = [(index, t) for index, row in enumerate(self._rows) for t in range(row.stored)]
        target = [(row.slot, cached + t) for row, cached in pairs for t in range(row.stored)]
        self._from = tuple(torch.tensor(source, device=self.embeds.device).T)
        self._to = tuple(torch.tensor(target, device=self.embeds.device).T)
        self._identity = torch.cat([row.frames for row in self._rows]), torch.cat([row.patches for row in self._rows])


def _needed(row: EncodeRow, layer: int) -> int:
    """Tokens of a row without the probes at its end that neither this layer nor a later one listens to."""
    return max([row.stored, *(span.stop for span in row.probes if span.layers.stop > layer)])


def _stack_deepstack(rows: Sequence[EncodeRow], width: int) -> Tensor | None:
    """``[levels, batch, width, hidden]``, zeros where a row has nothing to add."""
    given = [row.deepstack for row in rows if row.deepstack is not None]
    if not given:
        return None
    nothing = given[0].new_zeros((given[0].shape[0], 0, given[0].shape[2]))
    return torch.stack([_pad(nothing if row.deepstack is None else row.deepstack, width, 1) for row in rows], dim=1)


def _as_slice(slots: list[int]) -> list[int] | slice:
    consecutive = list(range(slots[0], slots[0] + len(slots)))
    return slice(slots[0], slots[0] + len(slots)) if slots == consecutive else slots


def _pad(tensor: Tensor, width: int, dim: int) -> Tensor:
    missing = width - tensor.shape[dim]
    if missing == 0:
        return tensor
    shape = list(tensor.shape)
    shape[dim] = missing
    return torch.cat((tensor, tensor.new_zeros(shape)), dim=dim)
