"""The probes of streams that are about to be compacted, as one captured pass behind that of their frames.

They see what is in the slots and are seen by nothing, so they need not be in the pass that writes the frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.engine.attention.dot_product import causal_mask
from hermes_ray.engine.encoding.graphs.gathered import GatheredSlots
from hermes_ray.engine.encoding.writing.rows import EncodeRow, ProbeSpan
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.engine.graphs.whole_cache import beyond, weights_on
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


@dataclass(frozen=True, slots=True)
class _Placed:
    """One probe of every row: where its tokens are in the pass, and what they see of one another."""

    tokens: slice
    layers: range
    hidden: Tensor


class ProbePass:
    """Reads the probes of up to ``rows`` slots.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        slab: the memories.
        gathered: room for ``rows`` slots.
        rows: slots.
        probes: those of every row; those that the last layers listen to first, as in :class:`EncodeRow`.
        capture: makes it repeatable.
    """

    def __init__(
        self,
        decoder: Decoder,
        rotary: RotaryTable,
        slab: KVSlab,
        gathered: GatheredSlots,
        *,
        rows: int,
        probes: Sequence[ProbeSpan],
        capture: Capture,
    ) -> None:
        self._decoder, self._rotary, self._slab, self._gathered = decoder, rotary, slab, gathered
        self.rows = rows
        shape, device = decoder.shape, decoder.device
        self._probes = _place(probes, rows, shape.heads // shape.kv_heads, device)
        tokens = self._probes[-1].tokens.stop
        self._numbers = Numbers({"slots": rows, "lengths": rows}, device)
        self._numbers.fill({"slots": torch.zeros(rows, dtype=torch.int64), "lengths": torch.ones(rows).long()})
        self._embeds = torch.zeros((tokens, shape.hidden), dtype=decoder.dtype, device=device)
        self._positions = torch.zeros((shape.layers, tokens, shape.axes), dtype=torch.int32, device=device)
        self._observed = torch.zeros((shape.layers, rows, slab.shape.capacity), device=device)
        self._replay = capture(self._work)

    def run(self, rows: Sequence[EncodeRow]) -> list[Tensor]:
        """Read the probes of rows whose tokens to store are in their slots.

        Returns:
            For each, the mean over heads and probe tokens of the attention to every visual token of its slot,
            ``[layers, visual tokens]`` float32, zeros in layers that no probe observes.
        """
        lengths = [self._slab.lengths[row.slot] for row in rows]
        filled = [*rows, *[rows[-1]] * (self.rows - len(rows))]
        parts = [(row, row.probes[index]) for index in range(len(self._probes)) for row in filled]
        self._embeds.copy_(torch.cat([row.embeds[span.start : span.stop] for row, span in parts]))
        self._positions.copy_(torch.cat([row.positions[:, span.start : span.stop] for row, span in parts], dim=1))
        held = torch.tensor([self._slab.lengths[row.slot] for row in filled])
        self._numbers.fill({"slots": torch.tensor([row.slot for row in filled]), "lengths": held})
        self._replay()
        prefix = self._slab.prefix
        return [self._observed[:, index, prefix:length].clone() for index, length in enumerate(lengths)]

    def _work(self) -> None:
        numbers = self._numbers
        hidden = self._embeds[None]
        unseen = beyond(numbers["lengths"], self._slab.shape.capacity)
        for layer in range(self._probes[0].layers.stop):
            queries, keys, values = self._decoder.project(layer, hidden)
            cos, sin = self._rotary.angles(self._positions[layer, : hidden.shape[1]])
            queries, keys, values = turned(queries, cos, sin)[0], turned(keys, cos, sin)[0], values[0]
            held = self._gathered.gather(layer, numbers["slots"])
            looked = list[Tensor]()
            for probe in self._probes:
                if layer >= probe.layers.stop:
                    break
                mine = (states[:, probe.tokens] for states in (queries, keys, values))
                attended, weights = self._attend(*mine, held=held, unseen=unseen, hidden=probe.hidden)
                if layer in probe.layers:
                    self._observed[layer] = weights
                if layer + 1 < probe.layers.stop:
                    looked.append(attended)
            if not looked:
                return
            attended = torch.cat(looked)
            hidden = self._decoder.finish(layer, hidden[:, : len(attended)], attended[None].transpose(1, 2))

    def _attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        held: tuple[Tensor, Tensor],
        unseen: Tensor,
        hidden: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """One probe's attention to its slots and to itself.

        Returns:
            What was attended, ``[tokens, heads, head_dim]``, and the mean weight on every column, ``[rows, capacity]``.
        """
        rows, capacity = self.rows, self._slab.shape.capacity
        queries, keys, values = (states.unflatten(1, (rows, -1)).transpose(0, 1) for states in (queries, keys, values))
        all_keys, all_values = torch.cat((held[0], keys), dim=2), torch.cat((held[1], values), dim=2)
        by_head = queries.reshape(rows, keys.shape[1], -1, queries.shape[-1])
        covered = torch.cat((unseen.expand(-1, -1, len(hidden), -1), hidden.expand(rows, 1, -1, -1)), dim=3)
        weights = weights_on(by_head, all_keys, covered, self._decoder.scaling)
        attended = torch.matmul(weights.to(all_values.dtype), all_values).view(queries.shape)
        return attended.permute(0, 2, 1, 3).flatten(0, 1), weights.mean(dim=(1, 2))[:, :capacity]


def _place(probes: Sequence[ProbeSpan], rows: int, group: int, device: torch.device) -> list[_Placed]:
    placed, start = list[_Placed](), 0
    for probe in probes:
        count = probe.stop - probe.start
        hidden = causal_mask(count, count, group, torch.float32, device)[0, 0].isneginf()
        placed.append(_Placed(slice(start, start + rows * count), probe.layers, hidden))
        start += rows * count
    return placed
