"""The rows of one encoding pass: what each stream brings, and all of them packed one behind the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hermes_ray.engine.attention.dot_product import causal_mask
from hermes_ray.engine.attention.packed import PackedRow, places
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.transfer import to_device


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

    @property
    def without_probes(self) -> "EncodeRow":
        """The tokens to store alone."""
        stored = slice(0, self.stored)
        return replace(self, embeds=self.embeds[stored], positions=self.positions[:, stored], probes=())


@dataclass(frozen=True, slots=True)
class PlacedProbe:
    """A probe in the pass.

    Attributes:
        row: index of its row.
        tokens: where its tokens are among those of the pass.
        layers: layers to observe.
        mask: what they see of one another, ``[group * tokens, tokens]`` float32 (:func:`causal_mask`). Of the slot
            they see everything.
    """

    row: int
    tokens: slice
    layers: range
    mask: Tensor


class PackedRows:
    """The rows of one pass, one behind the other, with everything that is the same in all layers.

    First come the tokens to store of all rows, then the probes of all rows, those that the last layers listen to
    first: what no further layer has a use for is left off at the end.

    Attributes:
        rows: the rows' tokens to store, for their attention.
        stored: how many these are, of all rows.
        embeds: ``[1, tokens, hidden]``.
        positions: ``[layers, tokens, axes]`` int32.
    """

    def __init__(self, rows: Sequence[EncodeRow], slab: KVSlab, group: int) -> None:
        self.rows = [PackedRow(row.slot, row.stored, slab.lengths[row.slot] + row.stored) for row in rows]
        self.stored = sum(row.stored for row in rows)
        ordered = sorted(
            ((index, span) for index, row in enumerate(rows) for span in row.probes),
            key=lambda probe: probe[1].layers.stop,
            reverse=True,
        )
        parts = [(index, slice(0, row.stored)) for index, row in enumerate(rows)]
        parts += [(index, slice(span.start, span.stop)) for index, span in ordered]
        self.embeds = torch.cat([rows[index].embeds[part] for index, part in parts])[None]
        self.positions = torch.cat([rows[index].positions[:, part] for index, part in parts], dim=1)
        self._probes = self._place(ordered, group)
        # Behind the last layer nothing is needed any more.
        self._widths = [self._width(layer) for layer in range(slab.shape.layers)] + [0]
        self._deepstack = _join_deepstack(rows)
        device = self.embeds.device
        new = [(row.slot, row.held - row.tokens, row.held) for row in self.rows]
        self._slots, self._tokens = to_device(places(new), device)
        self._frames, self._patches = torch.cat([r.frames for r in rows]), torch.cat([r.patches for r in rows])

    @property
    def is_special(self) -> bool:
        """Whether there is more to it than tokens to store."""
        return bool(self._probes) or self._deepstack is not None

    def width(self, layer: int) -> int:
        """Tokens of the pass that this layer or a later one has a use for."""
        return self._widths[layer]

    def positions_in(self, layer: int) -> Tensor:
        """``[width, axes]`` int32."""
        return self.positions[layer, : self.width(layer)]

    def probes_in(self, layer: int) -> list[PlacedProbe]:
        """The probes that this layer or a later one listens to."""
        return [probe for probe in self._probes if probe.layers.stop > layer]

    def add_deepstack(self, layer: int, hidden: Tensor) -> Tensor:
        """One layer's output ``[1, width, hidden]`` with what the vision tower adds to it."""
        if self._deepstack is None or layer >= self._deepstack.shape[0]:
            return hidden
        hidden[:, : self.stored] += self._deepstack[layer]
        return hidden

    def store(self, slab: KVSlab, layer: int, keys: Tensor, values: Tensor) -> None:
        """Put one layer's new keys and values ``[kv_heads, stored, head_dim]`` behind what the slots hold."""
        slab.keys[layer].transpose(1, 2)[self._slots, self._tokens] = keys.transpose(0, 1)
        slab.values[layer].transpose(1, 2)[self._slots, self._tokens] = values.transpose(0, 1)

    def store_all(self, slab: KVSlab, keys: Tensor, values: Tensor) -> None:
        """The same for all layers at once: ``[layers, stored, kv_heads, head_dim]``."""
        at = slice(None), self._slots, self._tokens
        slab.keys.transpose(2, 3)[at] = keys
        slab.values.transpose(2, 3)[at] = values

    def name(self, slab: KVSlab) -> None:
        """Put down what the new tokens are and where they stand, in all layers."""
        at = slice(None), self._slots, self._tokens
        slab.positions[at] = self.positions[:, : self.stored]
        slab.frames[at], slab.patches[at] = self._frames, self._patches
        slab.counts[at] = torch.ones_like(self._frames)

    def _place(self, ordered: Sequence[tuple[int, ProbeSpan]], group: int) -> list[PlacedProbe]:
        probes, start = [], self.stored
        for index, span in ordered:
            count = span.stop - span.start
            mask = causal_mask(count, count, group, torch.float32, self.embeds.device)[0, 0]
            probes.append(PlacedProbe(index, slice(start, start + count), span.layers, mask))
            start += count
        return probes

    def _width(self, layer: int) -> int:
        return max([self.stored, *(probe.tokens.stop for probe in self.probes_in(layer))])


def _join_deepstack(rows: Sequence[EncodeRow]) -> Tensor | None:
    """``[levels, stored, hidden]``, zeros where a row has nothing to add."""
    given = [row.deepstack for row in rows if row.deepstack is not None]
    if not given:
        return None
    levels, _, hidden = given[0].shape
    parts = [
        given[0].new_zeros((levels, row.stored, hidden)) if row.deepstack is None else row.deepstack for row in rows
    ]
    return torch.cat(parts, dim=1)
