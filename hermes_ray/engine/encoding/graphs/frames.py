"""The decoder over packed tokens of frames, as one captured pass."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.encoding.graphs.gathered import GatheredSlots
from hermes_ray.engine.encoding.graphs.probes import ProbePass
from hermes_ray.engine.encoding.writing.rows import EncodeRow, PackedRows
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.graphs.head_rows import HeadRows, per_head
from hermes_ray.engine.graphs.numbers import Numbers
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable, turned


class FramePass:
    """Encodes up to ``tokens`` tokens for up to ``rows`` slots. It reads the slab; what is to be written is its result.

    Args:
        decoder: the language decoder.
        rotary: its positions.
        slab: the memories.
        gathered: room for ``rows`` slots.
        rows: slots.
        tokens: new tokens of all of them.
        kernels: attention over sequences of any lengths.
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
        tokens: int,
        kernels: Kernels,
        capture: Capture,
    ) -> None:
        self._decoder, self._rotary, self._slab, self._gathered = decoder, rotary, slab, gathered
        shape, device = decoder.shape, decoder.device
        self.rows, self.tokens = rows, tokens
        self._rows = HeadRows(
            rows=rows,
            tokens=tokens,
            kv_heads=shape.kv_heads,
            columns=slab.shape.capacity,
            scaling=decoder.scaling,
            kernels=kernels,
        )
        self._keys, self._values = gathered.flat(rows)
        self._numbers = Numbers({**self._rows.sizes, "slots": rows}, device)
        self._numbers.fill(self._places(()))
        self._embeds = torch.zeros((tokens, shape.hidden), dtype=decoder.dtype, device=device)
        self._positions = torch.zeros((shape.layers, tokens, shape.axes), dtype=torch.int32, device=device)
        new = (shape.layers, tokens, shape.kv_heads, shape.head_dim)
        self._new_keys, self._new_values = (torch.zeros(new, dtype=decoder.dtype, device=device) for _ in range(2))
        self._finite = torch.zeros((), dtype=torch.bool, device=device)
        self._replay = capture(self._work)

    def run(self, batch: PackedRows) -> tuple[Tensor, Tensor, Tensor]:
        """Encode rows without probes.

        Returns:
            New keys and values, as the slab holds them, ``[layers, stored, kv_heads, head_dim]``, and whether the last
            layer's are finite, ``[]`` bool; all valid until the next pass.
        """
        count = batch.stored
        self._embeds[:count] = batch.embeds[0]
        self._embeds[count:] = 0
        self._positions[:, :count] = batch.positions
        self._numbers.fill(self._places([(row.slot, row.tokens, row.held) for row in batch.rows]))
        self._replay()
        return self._new_keys[:, :count], self._new_values[:, :count], self._finite

    def _places(self, rows: Sequence[tuple[int, int, int]]) -> dict[str, Tensor]:
        """From slot, new tokens and tokens held of each row."""
        filled = [*rows, *[(0, 0, 0)] * (self.rows - len(rows))]
        slots, tokens, held = zip(*filled, strict=True)
        return {**self._rows.numbers(tokens, held), "slots": torch.tensor(slots)}

    def _work(self) -> None:
        shape, slab, numbers = self._decoder.shape, self._slab, self._numbers
        hidden = self._embeds[None]
        for layer in range(shape.layers):
            queries, keys, values = self._decoder.project(layer, hidden)
            cos, sin = self._rotary.angles(self._positions[layer])
            queries, rotated = turned(queries, cos, sin), turned(keys, cos, sin)
            stored = rotated if slab.keys_rotated else keys
            self._new_keys[layer].copy_(stored[0].transpose(0, 1))
            self._new_values[layer].copy_(values[0].transpose(0, 1))
            if layer == shape.layers - 1:  # its output feeds nothing; what is not finite before is not so here either
                self._finite.copy_(keys.isfinite().all() & values.isfinite().all())
                return
            self._gathered.gather(layer, numbers["slots"])
            self._keys.index_copy_(0, numbers["where"], per_head(rotated))
            self._values.index_copy_(0, numbers["where"], per_head(values))
            own = rotated[0], values[0]
            attended = self._rows.attend(queries[0], (self._keys, self._values), own, numbers)
            hidden = self._decoder.finish(layer, hidden, attended.transpose(0, 1)[None])


class FrameGraphs:
    """The captured passes over one slab, by how much they take.

    What a vision tower adds behind the first layers (DeepStack) is in no graph.

    Args:
        passes: from small to large.
        probing: passes for the probes of compactions that fall due, from few to many; none where no probe rides along.
        counts: where passes are counted.
    """

    def __init__(self, passes: Sequence[FramePass], probing: Sequence[ProbePass], counts: PassCounts) -> None:
        self._passes = list(passes)
        self._probing = list(probing)
        self._counts = counts

    def fitting(self, batch: PackedRows) -> FramePass | None:
        """The smallest pass for these rows; ``None`` where they are to be encoded eagerly. Counts it."""
        large_enough = (one for one in self._passes if one.tokens >= batch.stored and one.rows >= len(batch.rows))
        fits = None if batch.is_special else next(large_enough, None)
        self._counts.replayed += fits is not None
        self._counts.eager += fits is None
        return fits

    def probe(self, rows: Sequence[EncodeRow]) -> list[Tensor]:
        """What the probes of rows observe whose tokens to store are in their slots (:meth:`ProbePass.run`)."""
        observed, begin = list[Tensor](), 0
        while begin < len(rows):
            large_enough = (one for one in self._probing if one.rows >= len(rows) - begin)
            one = next(large_enough, self._probing[-1])
            observed += one.run(rows[begin : begin + one.rows])
            self._counts.replayed += 1
            begin += one.rows
        return observed
