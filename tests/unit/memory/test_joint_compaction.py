"""Streams that are compacted in one call keep what each would keep alone, to the last bit."""

from dataclasses import fields

import pytest
import torch
from memory_streams import Stream
from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies import Policy, build
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.presets import ABLATIONS
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.slab import KVSlab, SlabShape
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView

LAYERS, KEEP, PREFIX, FRAMES, SLOTS = 10, 30, 3, 9, (4, 0, 2)
FIELDS = [field.name for field in fields(MemoryView)]
JOINT = {
    **{
        name: build(MemorySettings(policy=name), LAYERS, frame_tokens=6)
        for name in ("hermes", "paper", "reference", "sink_window", "uniform", "infinipot_v")
    },
    "streammem": build(MemorySettings(policy="streammem"), LAYERS, key_bias=torch.randn(LAYERS, 2, 4)),
    **{name: Hermes(parameters, layout(LAYERS), frame_tokens=6) for name, parameters in ABLATIONS.items()},
}


def random_streams() -> list[Stream]:
    return [Stream(layers=LAYERS, seed=seed, still=0.3) for seed in range(len(SLOTS))]


def alone(policy: Policy, rule: PositionRule, compactions: int) -> list[tuple[list[MemoryView], Tensor, MemoryView]]:
    """For every compaction: the memories before, their probes' attention, and the memories after, stream by stream."""
    streams = random_streams()
    views, history = [stream.empty() for stream in streams], []
    for _ in range(compactions):
        before = [stream.watch(view, FRAMES) for stream, view in zip(streams, views, strict=True)]
        seen = [stream.attention(view.tokens) for stream, view in zip(streams, before, strict=True)]
        views = [compact(view, policy, looked, KEEP, rule) for view, looked in zip(before, seen, strict=True)]
        history.append((before, torch.stack(seen, dim=1).flatten(0, 1), views))
    return history


def slab_of(memories: list[MemoryView]) -> KVSlab:
    shape = SlabShape(LAYERS, slots=5, kv_heads=2, capacity=PREFIX + 120, head_dim=4)
    slab = KVSlab(shape, prefix=PREFIX, dtype=torch.float32, device=torch.device("cpu"))
    for slot, memory in zip(SLOTS, memories, strict=True):
        slab.replace(slot, memory)
    return slab


@pytest.mark.parametrize("mode", ["eager", "lazy", "lazy_together"])
@pytest.mark.parametrize("name", JOINT)
def test_streams_compacted_together_keep_what_each_keeps_alone(name, mode):
    policy = JOINT[name]
    assert policy.joint
    rule = PositionRule(mode, first=7, limit=110)  # reached after some compactions
    for before, attention, expected in alone(policy, rule, compactions=3):
        slab = slab_of(before)
        kept = compact(slab.views(SLOTS), policy, attention, KEEP, rule, len(SLOTS))
        slab.replace_all(SLOTS, kept)
        for slot, wanted in zip(SLOTS, expected, strict=True):
            for field in FIELDS:
                assert (getattr(slab.view(slot), field) == getattr(wanted, field)).all(), (slot, field)


def test_a_stream_at_its_last_position_does_not_renumber_the_others():
    policy = JOINT["paper"]
    rule = PositionRule("lazy_together", first=7, limit=1000)
    ((before, attention, _),) = alone(policy, rule, compactions=1)
    before[1].positions[:] += 1000
    slab = slab_of(before)
    kept = compact(slab.views(SLOTS), policy, attention, KEEP, rule, len(SLOTS))
    slab.replace_all(SLOTS, kept)
    largest = [int(slab.view(slot).positions.amax()) for slot in SLOTS]
    assert largest[1] == 7 + KEEP - 1
    assert largest[0] == largest[2] == 7 + FRAMES * 6  # as they were, and a summary behind


def test_slots_that_are_not_asked_for_are_left_alone():
    ((before, attention, _),) = alone(JOINT["hermes"], PositionRule("eager", 7, 110), compactions=1)
    slab = slab_of(before)
    slab.replace(1, before[0])
    slab.keys[:, 3] = 5.0
    kept = compact(slab.views(SLOTS), JOINT["hermes"], attention, KEEP, PositionRule("eager", 7, 110), len(SLOTS))
    slab.replace_all(SLOTS, kept)
    assert (slab.lengths[1], slab.lengths[3]) == (PREFIX + FRAMES * 6, 0)
    assert torch.equal(slab.view(1).keys, before[0].keys)
    assert (slab.keys[:, 3] == 5.0).all()


def test_memories_that_do_not_fit_leave_every_slot_as_it_was():
    ((before, _, _),) = alone(JOINT["uniform"], PositionRule("eager", 7, 110), compactions=1)
    slab = slab_of(before)
    view = slab.views(SLOTS)
    with pytest.raises(ValueError, match="do not fit"):
        slab.replace_all(SLOTS, view.gather(torch.zeros((view.rows, 121), dtype=torch.int64)))
    for slot, memory in zip(SLOTS, before, strict=True):
        assert torch.equal(slab.view(slot).keys, memory.keys)
