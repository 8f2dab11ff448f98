"""One batched decoder pass that writes frames of many streams into the slab.

A row is one stream's new tokens. They attend to the stream's own cache and causally to one another; rows never see
each other. Behind the tokens to store, a row may carry probes: tokens that see the cache and the new tokens, are
seen by nothing, and are not stored. What they attend to is what a memory policy wants to know (HERMES, section 3).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import packed_attention
from hermes_ray.engine.attention.observed import attend_observed
from hermes_ray.engine.encoding.graphs.frames import FrameGraphs, FramePass
from hermes_ray.engine.encoding.writing.rows import EncodeRow, PackedRows
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.transfer import read_back
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


class Encoder:
    """Runs passes over one slab. Belongs to the engine's thread.

    Attributes:
        graphs: captured passes, once there are any; without, every pass runs eagerly.
    """

    def __init__(self, decoder: Decoder, rotary: RotaryTable, slab: KVSlab) -> None:
        self._decoder = decoder
        self._rotary = rotary
        self._slab = slab
        self._attention = packed_attention(slab)
        self.graphs: FrameGraphs | None = None

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
        group = self._decoder.shape.heads // self._decoder.shape.kv_heads
        if self.graphs is not None:
            batch = PackedRows([row.without_probes for row in rows], self._slab, group)
            captured = self.graphs.fitting(batch)
            if captured is not None:
                self._replay(captured, batch)
                observed = iter(self.graphs.probe([row for row in rows if row.probes]))
                return [next(observed) if row.probes else None for row in rows]
        return self._eagerly(rows, PackedRows(rows, self._slab, group))

    def _eagerly(self, rows: Sequence[EncodeRow], batch: PackedRows) -> list[Tensor | None]:
        shape, slab = self._decoder.shape, self._slab
        attention = self._attention(batch.rows, slab, self._rotary, self._decoder.scaling)
        stored = slice(0, batch.stored)
        batch.name(slab)
        hidden = batch.embeds
        observed = [self._nothing_observed(row) for row in rows]
        finite: Tensor | None = None
        for layer in range(shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            cos, sin = self._rotary.angles(batch.positions_in(layer))
            queries, rotated = turned(queries, cos, sin)[0], turned(keys, cos, sin)[0]
            keys, values = keys[0], values[0]
            batch.store(slab, layer, (rotated if slab.keys_rotated else keys)[:, stored], values[:, stored])
            if layer == shape.layers - 1:  # what is not finite in one layer is not in any later one
                finite = keys.isfinite().all() & values.isfinite().all()
            needed, probes = batch.width(layer + 1), batch.probes_in(layer)
            if not needed and not probes:  # the last layer's output feeds nothing
                break
            held = attention.read(layer)
            attended = queries.new_zeros((needed, *queries.shape[::2]))
            if needed:
                attended[stored] = held.attend(queries[:, stored])
            for probe in probes:
                own = rotated[:, probe.tokens], values[:, probe.tokens]
                looked, weights = attend_observed(
                    queries[:, probe.tokens], held.row(probe.row), own, probe.mask, self._decoder.scaling
                )
                if layer in probe.layers:
                    observed[probe.row][layer] = weights[slab.prefix :]
                if layer + 1 < probe.layers.stop:
                    attended[probe.tokens] = looked
            if needed:
                hidden = self._decoder.finish(layer, hidden[:, :needed], attended[None].transpose(1, 2))
                hidden = batch.add_deepstack(layer, hidden)
        if finite is not None:
            _check(finite)
        for row in rows:
            slab.lengths[row.slot] += row.stored
        return [seen if row.probes else None for row, seen in zip(rows, observed, strict=True)]

    def _replay(self, captured: FramePass, batch: PackedRows) -> None:
        keys, values, finite = captured.run(batch)
        batch.name(self._slab)
        batch.store_all(self._slab, keys, values)
        _check(finite)
        for row in batch.rows:
            self._slab.lengths[row.slot] = row.held

    def _nothing_observed(self, row: EncodeRow) -> Tensor:
        visual = self._slab.visual_tokens(row.slot) + row.stored
        return torch.zeros((self._decoder.shape.layers, visual), dtype=torch.float32, device=row.embeds.device)


def _check(finite: Tensor) -> None:
    """The one thing in a pass that is waited for."""
    if not read_back(finite):
        raise ArithmeticError("a key or value of a frame is NaN or infinite")
