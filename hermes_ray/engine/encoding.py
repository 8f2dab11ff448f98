"""One batched decoder pass that writes frames of many streams into the slab.

A row is one stream's new tokens. They attend to the stream's own cache and causally to one another; rows never see
each other. Behind the tokens to store, a row may carry probes: tokens that see the cache and the new tokens, are
seen by nothing, and are not stored. What they attend to is what a memory policy wants to know (HERMES, section 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention import attend, attention_weights
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.decoder import Decoder
from hermes_ray.models.rotary import RotaryTable


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


class Encoder:
    """Runs passes over one slab. Belongs to the engine's thread."""

    def __init__(self, decoder: Decoder, rotary: RotaryTable, slab: KVSlab) -> None:
        self._decoder = decoder
        self._rotary = rotary
        self._slab = slab

    @torch.inference_mode()
    def run(self, rows: Sequence[EncodeRow]) -> list[Tensor | None]:
        """Encode all rows at once and append their stored tokens to the slab.

        Args:
            rows: one per slot; each slot must have room for the tokens stored.

        Returns:
            For each row with probes, the mean over heads and probe tokens of the attention to every visual token,
            cached and new: ``[layers, visual tokens]`` float32, zeros in layers that no probe observes. ``None`` for
            rows without probes.
        """
        batch = _Batch(rows, self._slab)
        hidden = batch.embeds
        observed = [self._nothing_observed(row) if row.probes else None for row in rows]
        last = self._decoder.shape.layers - 1
        for layer in range(last + 1):
            hidden = hidden[:, : batch.width(layer)]
            positions, visible = batch.positions_in(layer), batch.visible_in(layer)
            queries, keys, values = self._decoder.project(layer, hidden)
            queries = self._rotary.rotate(queries, positions)
            all_keys = torch.cat((self._cached_keys(layer, batch), self._rotary.rotate(keys, positions)), 2)
            for index, row in enumerate(rows):
                self._observe(
                    layer, row, queries[index], all_keys[index], visible[index], batch.longest, observed[index]
                )
            batch.store(self._slab, layer, keys, values)
            if layer < last:  # the last layer's output feeds nothing: only its keys and values are wanted
                cached = self._slab.values[layer, batch.slots, :, : batch.longest]
                attended = attend(queries, all_keys, torch.cat((cached, values), 2), visible, self._decoder.scaling)
                hidden = batch.add_deepstack(layer, self._decoder.finish(layer, hidden, attended))
        for row in rows:
            self._slab.lengths[row.slot] += row.stored
        return observed

    def _cached_keys(self, layer: int, batch: "_Batch") -> Tensor:
        keys = self._slab.keys[layer, batch.slots, :, : batch.longest]
        return self._rotary.rotate(keys, self._slab.positions[layer, batch.slots, : batch.longest])

    def _nothing_observed(self, row: EncodeRow) -> Tensor:
        visual = self._slab.visual_tokens(row.slot) + row.stored
        return torch.zeros((self._decoder.shape.layers, visual), dtype=torch.float32, device=row.embeds.device)

    def _observe(
        self,
        layer: int,
        row: EncodeRow,
        queries: Tensor,
        keys: Tensor,
        visible: Tensor,
        longest: int,
        into: Tensor | None,
    ) -> None:
        for span in row.probes:
            if into is None or layer not in span.layers:
                continue
            rows = slice(span.start, span.stop)
            weights = attention_weights(queries[:, rows], keys, visible[rows], self._decoder.scaling)
            mean = weights.mean(dim=(0, 1))
            cached = self._slab.lengths[row.slot]
            old = mean[self._slab.prefix : cached]
            new = mean[longest : longest + row.stored]
            into[layer] = torch.cat((old, new))


class _Batch:
    """The rows of one pass, padded to rectangles, with everything that is the same in all layers."""

    def __init__(self, rows: Sequence[EncodeRow], slab: KVSlab) -> None:
        device = rows[0].embeds.device
        width = max(row.tokens for row in rows)
        lengths = [slab.lengths[row.slot] for row in rows]
        self.longest = max(lengths)
        # A slice of neighbouring slots is a view of the slab; a list would copy it.
        self.slots = _as_slice([row.slot for row in rows])
        self.embeds = torch.stack([_pad(row.embeds, width, 0) for row in rows])
        self._positions = torch.stack([_pad(row.positions, width, 1) for row in rows], dim=1)
        self._visible = torch.stack(
            [_visible(row, cached, self.longest, width) for row, cached in zip(rows, lengths, strict=True)]
        ).to(device)
        self._widths = [max(_needed(row, layer) for row in rows) for layer in range(slab.shape.layers)]
        self._deepstack = _stack_deepstack(rows, width)
        self._identity = [torch.cat([row.frames for row in rows]), torch.cat([row.patches for row in rows])]
        source = [(i, t) for i, row in enumerate(rows) for t in range(row.stored)]
        target = [(row.slot, cached + t) for row, cached in zip(rows, lengths, strict=True) for t in range(row.stored)]
        self._from = tuple(torch.tensor(source, device=device).T)
        self._to = tuple(torch.tensor(target, device=device).T)

    def width(self, layer: int) -> int:
        """Tokens of a row that this layer or a later one has a use for."""
        return self._widths[layer]

    def positions_in(self, layer: int) -> Tensor:
        """``[batch, width, axes]`` int32."""
        return self._positions[layer, :, : self.width(layer)]

    def visible_in(self, layer: int) -> Tensor:
        """What each token sees: ``[batch, width, longest + width]`` bool, columns being cached, then new tokens."""
        width = self.width(layer)
        return self._visible[:, :width, : self.longest + width]

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


def _visible(row: EncodeRow, cached: int, longest: int, width: int) -> Tensor:
    """What each token of a row sees: ``[width, longest + width]`` bool, columns being cached, then new tokens."""
    among_new = torch.ones(width, width, dtype=torch.bool).tril()
    among_new[:, row.stored :] = False
    for span in row.probes:
        rows = slice(span.start, span.stop)
        among_new[rows, rows] = torch.ones(span.stop - span.start, span.stop - span.start, dtype=torch.bool).tril()
    among_cached = torch.zeros(width, longest, dtype=torch.bool)
    among_cached[:, :cached] = True
    visible = torch.cat((among_cached, among_new), dim=1)
    visible[row.tokens :, longest] = True  # padding must see something; nothing reads what it computes
    return visible
