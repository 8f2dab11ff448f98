"""One batched decoder pass that writes frames of many streams into the slab.

A row is one stream's new tokens. They attend to the stream's own cache and causally to one another; rows never see
each other. Behind the tokens to store, a row may carry probes: tokens that see the cache and the new tokens, are
seen by nothing, and are not stored. What they attend to is what a memory policy wants to know (HERMES, section 3).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.cached_keys import read_rotated
from hermes_ray.engine.attention.dot_product import attend, attend_by, attention_weights
from hermes_ray.engine.encoding.rows import EncodeRow, PaddedRows, PlacedProbe
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.decoder import Decoder
from hermes_ray.models.rotary import RotaryTable


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

        Raises:
            ArithmeticError: a key or value is NaN or infinite. As after any other error, the slots hold as many tokens
                as before; what lies behind these is undefined.
        """
        shape = self._decoder.shape
        batch = PaddedRows(rows, self._slab, shape.heads // shape.kv_heads)
        hidden = batch.embeds
        observed = [self._nothing_observed(row) for row in rows]
        for layer in range(shape.layers):
            positions = batch.positions_in(layer)
            queries, keys, values = self._decoder.project(layer, hidden)
            queries, rotated = self._rotary.rotate(queries, positions), self._rotary.rotate(keys, positions)
            cached_keys, cached_values = self._cached(layer, batch)
            all_keys, all_values = torch.cat((cached_keys, rotated), 2), torch.cat((cached_values, values), 2)
            batch.store(self._slab, layer, rotated if self._slab.keys_rotated else keys, values)
            if layer == shape.layers - 1:  # what is not finite in one layer is not in any later one
                _require_finite(keys, values)
            needed = batch.width(layer + 1)  # by later layers; the last one's output feeds nothing
            attended = queries.new_zeros((*queries.shape[:2], needed, queries.shape[3]))
            if needed:
                self._attend(batch, queries, all_keys, all_values, attended)
            for probe in batch.probes_in(layer):
                seen = self._attend_probe(layer, probe, queries, all_keys, all_values, attended)
                if seen is not None:
                    observed[probe.row][layer] = batch.visual(probe.row, seen)
            if needed:
                hidden = self._decoder.finish(layer, hidden[:, :needed], attended)
                hidden = batch.add_deepstack(layer, hidden)
        for row in rows:
            self._slab.lengths[row.slot] += row.stored
        return [attention if row.probes else None for row, attention in zip(rows, observed, strict=True)]

    def _cached(self, layer: int, batch: PaddedRows) -> tuple[Tensor, Tensor]:
        """Keys, rotated, and values of one layer: ``[batch, kv_heads, longest, head_dim]`` each."""
        held = slice(0, batch.longest)
        keys = read_rotated(self._slab, self._rotary, layer, batch.slots, held)
        return keys, self._slab.values[layer, batch.slots, :, held]

    def _nothing_observed(self, row: EncodeRow) -> Tensor:
        visual = self._slab.visual_tokens(row.slot) + row.stored
        return torch.zeros((self._decoder.shape.layers, visual), dtype=torch.float32, device=row.embeds.device)

    def _attend(self, batch: PaddedRows, queries: Tensor, keys: Tensor, values: Tensor, into: Tensor) -> None:
        """Attend with the tokens to store."""
        stored, seen = batch.stored, batch.longest + batch.stored
        into[:, :, :stored] = attend(
            queries[:, :, :stored], keys[:, :, :seen], values[:, :, :seen], batch.mask, self._decoder.scaling
        )

    def _attend_probe(
        self, layer: int, probe: PlacedProbe, queries: Tensor, keys: Tensor, values: Tensor, into: Tensor
    ) -> Tensor | None:
        """Attend with a probe, unless nothing needs its output.

        Returns:
            In a layer that it is for, the mean over heads and tokens of its attention to every column.
        """
        row, tokens = slice(probe.row, probe.row + 1), slice(probe.span.start, probe.span.stop)
        queries, keys, values = queries[row, :, tokens], keys[row, :, : probe.sees], values[row, :, : probe.sees]
        if layer not in probe.span.layers:
            into[row, :, tokens] = attend(queries, keys, values, probe.mask, self._decoder.scaling)
            return None
        weights = attention_weights(queries, keys, probe.mask, self._decoder.scaling)
        if layer + 1 in probe.span.layers:
            # The weights are known, so this is half the work of attending once more.
            into[row, :, tokens] = attend_by(weights, values, queries.shape[1])
        return weights.mean(dim=(0, 1, 2))


def _require_finite(*tensors: Tensor) -> None:
    if not torch.stack([tensor.isfinite().all() for tensor in tensors]).all():
        raise ArithmeticError("a key or value of a frame is NaN or infinite")
