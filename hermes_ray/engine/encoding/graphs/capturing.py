"""Captures the passes that encode frames, and compares each with the eager pass."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernel
from hermes_ray.engine.encoding.decoder_pass import Encoder
from hermes_ray.engine.encoding.graphs.frames import FrameGraphs, FramePass, WorkArea
from hermes_ray.engine.encoding.graphs.vision import VisionGraphs, VisionPass
from hermes_ray.engine.encoding.rows import EncodeRow
from hermes_ray.engine.graphs.buckets import block_buckets
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.graphs.matching import check
from hermes_ray.engine.graphs.noise import shared_out
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models import FrameGroup, ModelAdapter
from hermes_ray.models.adapter import FixedSizeAdapter

_SEED = 16


def capture_frames(
    encoder: Encoder,
    adapter: ModelAdapter,
    slab: KVSlab,
    slots: Sequence[int],
    *,
    most_frames: int,
    capture: Capture,
    kernel: Kernel,
    counts: PassCounts,
    on_progress: Callable[[str], None],
) -> FrameGraphs:
    """All passes of the decoder over tokens of frames.

    Args:
        encoder: whose passes they are to be.
        adapter: the model.
        slab: the memories.
        slots: those with memories to compare with; what they hold changes.
        most_frames: of a step.
        capture: makes passes repeatable.
        kernel: attention over sequences of any lengths.
        counts: where the passes are counted once they are used.
        on_progress: is told what comes next.

    Raises:
        GraphMismatch: a pass computes something else than the eager one.
    """
    block = adapter.max_tokens_per_block
    sizes = block_buckets(most_frames)
    area = WorkArea(slab, min(sizes[-1], slab.shape.slots))
    passes = list[FramePass]()
    for blocks in sizes:
        on_progress(name := f"the decoder over {blocks} frames")
        one = FramePass(
            adapter.decoder,
            adapter.rotary,
            slab,
            area,
            rows=min(blocks, slab.shape.slots),
            tokens=blocks * block,
            kernel=kernel,
            capture=capture,
        )
        rows = _rows(adapter, slab, slots[: one.rows], blocks * block - 1)
        new = [_written(encoder, slab, rows, chosen) for chosen in (FrameGraphs([one], PassCounts()), None)]
        check(name, *new, dtype=slab.keys.dtype)
        passes.append(one)
    return FrameGraphs(passes, counts)


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


def _written(encoder: Encoder, slab: KVSlab, rows: Sequence[EncodeRow], graphs: FrameGraphs | None) -> Tensor:
    """Keys and values that a pass writes for rows; their slots are as long as before behind it."""
    encoder.graphs = graphs
    before = list(slab.lengths)
    encoder.run(rows)
    encoder.graphs = None
    parts = list[Tensor]()
    for row in rows:
        new = slice(before[row.slot], slab.lengths[row.slot])
        assert new.stop - new.start == row.stored
        parts += [slab.keys[:, row.slot, :, new].flatten(), slab.values[:, row.slot, :, new].flatten()]
    slab.lengths[:] = before
    return torch.cat(parts)
