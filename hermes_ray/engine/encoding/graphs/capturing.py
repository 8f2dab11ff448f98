"""Captures the passes that encode frames, and compares each with the eager pass."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.encoding.graphs.frames import FrameGraphs, FramePass
from hermes_ray.engine.encoding.graphs.gathered import GatheredSlots
from hermes_ray.engine.encoding.graphs.probes import ProbePass
from hermes_ray.engine.encoding.graphs.vision import VisionGraphs, VisionPass
from hermes_ray.engine.encoding.writing.decoder_pass import Encoder
from hermes_ray.engine.encoding.writing.probing import ProbeSet
from hermes_ray.engine.encoding.writing.rows import EncodeRow
from hermes_ray.engine.graphs.buckets import block_buckets, frame_shapes
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.graphs.matching import check
from hermes_ray.engine.graphs.noise import shared_out
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models import FrameGroup, ModelAdapter
from hermes_ray.models.adapter import FixedSizeAdapter

_SEED = 16
_MOST_PROBED = 4
"""Compactions whose probes one pass reads; more that fall due together take turns."""


def capture_frames(
    encoder: Encoder,
    adapter: ModelAdapter,
    slab: KVSlab,
    slots: Sequence[int],
    probes: ProbeSet,
    *,
    most_frames: int,
    thinned: bool,
    capture: Capture,
    kernels: Kernels,
    counts: PassCounts,
    on_progress: Callable[[str], None],
) -> FrameGraphs:
    """All passes of the decoder over tokens of frames.

    Args:
        encoder: whose passes they are to be.
        adapter: the model.
        slab: the memories.
        slots: those with memories to compare with; what they hold changes.
        probes: those of the memory policy.
        most_frames: of a step.
        thinned: frames may lose tokens.
        capture: makes passes repeatable.
        kernels: attention over sequences of any lengths.
        counts: where the passes are counted once they are used.
        on_progress: is told what comes next.

    Raises:
        GraphMismatch: a pass computes something else than the eager one.
    """
    block = adapter.max_tokens_per_block
    shapes = frame_shapes(most_frames, slab.shape.slots, block, thinned=thinned)
    gathered = GatheredSlots(slab, adapter.rotary, max(rows for rows, _ in shapes))
    passes = list[FramePass]()
    for most_rows, tokens in shapes:
        on_progress(name := f"the decoder over {tokens} tokens of frames of {most_rows} streams")
        one = FramePass(
            adapter.decoder,
            adapter.rotary,
            slab,
            gathered,
            rows=most_rows,
            tokens=tokens,
            kernels=kernels,
            capture=capture,
        )
        rows = _rows(adapter, slab, slots[: one.rows], tokens - 1)
        chosen = FrameGraphs([one], (), PassCounts()), None
        check(name, *(_written(encoder, slab, rows, graphs)[0] for graphs in chosen), dtype=slab.keys.dtype)
        passes.append(one)
    probing = list[ProbePass]()
    for rows in block_buckets(min(_MOST_PROBED, slab.shape.slots)) if probes.rides_along else ():
        on_progress(name := f"the probes of {rows} compactions")
        asked = [_probed(row, probes) for row in _rows(adapter, slab, slots[:rows], rows * block)]
        one = ProbePass(
            adapter.decoder, adapter.rotary, slab, gathered, rows=rows, probes=asked[0].probes, capture=capture
        )
        chosen = FrameGraphs(passes, [one], PassCounts()), None
        check(name, *(_written(encoder, slab, asked, graphs)[1] for graphs in chosen), dtype=slab.keys.dtype)
        probing.append(one)
    return FrameGraphs(passes, probing, counts)


def capture_vision(
    adapter: ModelAdapter,
    *,
    most_frames: int,
    capture: Capture,
    counts: PassCounts,
    on_progress: Callable[[str], None],
) -> VisionGraphs | None:
    """All passes of the vision tower; ``None`` for a model whose frames keep their shapes.

    Args:
        adapter: the model.
        most_frames: of a step.
        capture: makes passes repeatable.
        counts: where the passes are counted once they are used.
        on_progress: is told what comes next.

    Raises:
        GraphMismatch: a pass computes something else than the eager one.
    """
    if not isinstance(adapter, FixedSizeAdapter):
        return None
    generator = torch.Generator().manual_seed(_SEED)
    passes = dict[int, VisionPass]()
    for frames in block_buckets(most_frames):
        on_progress(name := f"the vision tower over {frames} frames")
        passes[frames] = VisionPass(adapter, frames, capture)
        pictures = torch.randint(256, (max(1, frames - 1), *adapter.frame_shape), generator=generator)
        groups = [FrameGroup((picture,), (0,)) for picture in pictures.to(torch.uint8)]
        found = [
            vision.encode(groups) for vision in (VisionGraphs(adapter, {frames: passes[frames]}, PassCounts()), adapter)
        ]
        check(name, *(torch.cat([block.embeds for block in blocks]) for blocks in found), dtype=adapter.dtype)
    return VisionGraphs(adapter, passes, counts)


def _rows(adapter: ModelAdapter, slab: KVSlab, slots: Sequence[int], tokens: int) -> list[EncodeRow]:
    """New tokens for slots of different lengths."""
    decoder, room = adapter.decoder, slab.shape.capacity - len(slots)
    rows = list[EncodeRow]()
    counts = shared_out(min(tokens, len(slots) * room), len(slots))
    for index, (slot, count) in enumerate(zip(slots, counts, strict=False)):
        slab.lengths[slot] = held = slab.shape.capacity - count - index
        ids = torch.arange(index, index + count, device=decoder.device) % decoder.shape.vocabulary
        places = torch.arange(held, held + count, dtype=torch.int32, device=decoder.device)
        positions = places[None, :, None].expand(decoder.shape.layers, -1, decoder.shape.axes)
        rows.append(EncodeRow(slot, decoder.embed(ids), positions, frames=places, patches=places))
    return rows


def _probed(row: EncodeRow, probes: ProbeSet) -> EncodeRow:
    """A row with probes behind its tokens."""
    embeds, positions, spans = probes.append(row.embeds, row.positions, row.positions.amax(dim=1))
    return replace(row, embeds=embeds, positions=positions, probes=spans)


def _written(
    encoder: Encoder, slab: KVSlab, rows: Sequence[EncodeRow], graphs: FrameGraphs | None
) -> tuple[Tensor, Tensor]:
    """Keys and values that a pass writes for rows, and what their probes observe.

    The rows' slots are as long as before behind it.
    """
    encoder.graphs = graphs
    before = list(slab.lengths)
    observed = [seen.flatten() for seen in encoder.run(rows) if seen is not None]
    encoder.graphs = None
    parts = list[Tensor]()
    for row in rows:
        new = slice(before[row.slot], slab.lengths[row.slot])
        assert new.stop - new.start == row.stored
        parts += [slab.keys[:, row.slot, :, new].flatten(), slab.values[:, row.slot, :, new].flatten()]
    slab.lengths[:] = before
    return torch.cat(parts), torch.cat(observed) if observed else torch.zeros(0)
