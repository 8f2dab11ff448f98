"""On a GPU several streams are compacted as each alone on a CPU, and the CPU does not wait for it."""

import pytest
import torch
from memory_streams import Stream
from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies import build
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.slab import KVSlab, SlabShape
from hermes_ray.memory.view import MemoryView

pytestmark = pytest.mark.gpu

LAYERS, KEEP, PREFIX, FRAMES, SLOTS = 28, 60, 3, 20, (4, 0, 2)
POLICIES = ["hermes", "paper", "reference", "recent_only", "sink_window", "uniform", "infinipot_v", "streammem"]
RULE = PositionRule("eager", first=7, limit=1000)


def before() -> tuple[list[MemoryView], list[Tensor]]:
    """Memories of some streams, and what their probes attend to."""
    streams = [Stream(layers=LAYERS, head_dim=16, seed=seed, still=0.3) for seed in range(len(SLOTS))]
    views = [stream.watch(stream.empty(), FRAMES) for stream in streams]
    return views, [stream.attention(view.tokens) for stream, view in zip(streams, views, strict=True)]


def slab_on_a_gpu(memories: list[MemoryView]) -> KVSlab:
    shape = SlabShape(LAYERS, slots=5, kv_heads=2, capacity=PREFIX + FRAMES * 6, head_dim=16)
    slab = KVSlab(shape, prefix=PREFIX, dtype=torch.float32, device=torch.device("cuda"))
    for slot, memory in zip(SLOTS, memories, strict=True):
        slab.replace(slot, memory)
    return slab


@pytest.mark.parametrize("name", POLICIES)
def test_streams_compacted_together_on_a_gpu_keep_what_each_keeps_on_a_cpu(name: str) -> None:
    policy = build(MemorySettings(policy=name), LAYERS, frame_tokens=6)
    views, attention = before()
    expected = [compact(view, policy, seen, KEEP, RULE) for view, seen in zip(views, attention, strict=True)]
    slab, looked = slab_on_a_gpu(views), [seen.cuda() for seen in attention]
    groups = [SLOTS] if policy.joint else [(slot,) for slot in SLOTS]
    seen = iter(looked)
    prepared = [torch.stack([next(seen) for _ in slots], dim=1).flatten(0, 1) for slots in groups]
    torch.cuda.set_sync_debug_mode("error")  # what is read back by an event passes
    try:
        for slots, observed in zip(groups, prepared, strict=True):
            slab.replace_all(slots, compact(slab.views(slots), policy, observed, KEEP, RULE, len(slots)))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for slot, wanted in zip(SLOTS, expected, strict=True):
        for field in ("frames", "patches", "positions", "counts"):
            assert (getattr(slab.view(slot), field).cpu() == getattr(wanted, field)).all(), (slot, field)
        torch.testing.assert_close(slab.view(slot).keys.cpu(), wanted.keys, rtol=0, atol=1e-5)
        torch.testing.assert_close(slab.view(slot).values.cpu(), wanted.values, rtol=0, atol=1e-5)
