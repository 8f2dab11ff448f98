"""Snapshots: what is written comes back bit by bit, and nothing else is accepted."""

from dataclasses import fields

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_streams import Stream

from hermes_ray.errors import SnapshotError
from hermes_ray.memory.compaction import compact
from hermes_ray.memory.policies import Hermes
from hermes_ray.memory.policies.presets import HERMES
from hermes_ray.memory.positions import PositionRule
from hermes_ray.memory.snapshot import Snapshot, dump, load
from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView

MODEL = "hermes-tiny@1/float32"
EAGER = PositionRule("eager", first=7, limit=100)


def _snapshot(view, **extra):
    return Snapshot(view=view, policy="hermes", budget_tokens=30, next_frame=9, extra=extra)


def _assert_identical(one: MemoryView, other: MemoryView):
    for field in fields(MemoryView):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert a.dtype == b.dtype and torch.equal(a, b), field.name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("axes", [1, 3])
def test_memory_comes_back_bit_identical(dtype, axes):
    stream = Stream(layers=10, axes=axes, dtype=dtype)
    view = stream.watch(stream.empty(), 9).span(3, 41)  # slices, as of a slab
    restored = load(dump(_snapshot(view, offsets={"0": 2**40}, epoch=3), MODEL), MODEL)
    _assert_identical(restored.view, view)
    assert (restored.policy, restored.budget_tokens, restored.next_frame) == ("hermes", 30, 9)
    assert restored.extra == {"offsets": {"0": 2**40}, "epoch": 3}


def test_restored_memory_goes_on_as_the_original():
    stream = Stream(layers=10)
    policy = Hermes(HERMES, layout(10))
    view = compact(stream.watch(stream.empty(), 9), policy, stream.attention(54), 30, EAGER)
    restored = load(dump(_snapshot(view), MODEL), MODEL).view
    more, attention = stream.watch(view, 4), stream.attention(54)
    added = more.span(30, 54)
    went_on = compact(more, policy, attention, 30, EAGER)
    again = MemoryView(
        *(
            torch.cat((getattr(restored, n), getattr(added, n)), 2 if n in ("keys", "values") else 1)
            for n in MemoryView.__slots__
        )
    )
    _assert_identical(compact(again, policy, attention, 30, EAGER), went_on)


def test_memory_without_frames_can_be_snapshot():
    empty = Stream().empty()
    _assert_identical(load(dump(_snapshot(empty), MODEL), MODEL).view, empty)


def test_text_that_looks_like_a_checksum_does_no_harm():
    view = Stream().watch(Stream().empty(), 1)
    trap = '"checksum":"' + "0" * 64 + '"'
    assert load(dump(_snapshot(view, trap=trap), MODEL), MODEL).extra == {"trap": trap}


SMALL = dump(
    _snapshot(
        Stream(layers=1, heads=1, rows=1, columns=1).watch(Stream(layers=1, heads=1, rows=1, columns=1).empty(), 1)
    ),
    MODEL,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(place=st.integers(0, len(SMALL) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(place, bit):
    damaged = bytearray(SMALL)
    damaged[place] ^= 1 << bit
    with pytest.raises(SnapshotError):
        load(bytes(damaged), MODEL)


@pytest.mark.parametrize("length", [0, 5, 8, 40, len(SMALL) - 1])
def test_truncated_file_is_refused(length):
    with pytest.raises(SnapshotError, match="truncated"):
        load(SMALL[:length], MODEL)


def test_trailing_bytes_are_refused():
    with pytest.raises(SnapshotError, match="checksum"):
        load(SMALL + b"\0", MODEL)


def test_snapshot_of_another_model_is_refused():
    with pytest.raises(SnapshotError, match="another model"):
        load(SMALL, "hermes-tiny@2/float32")


def test_foreign_safetensors_file_is_refused():
    with pytest.raises(SnapshotError, match="not a snapshot of a hermes-ray memory"):
        load(safetensors.torch.save({"keys": torch.zeros(3)}), MODEL)


def test_snapshot_of_a_newer_release_is_refused_by_its_version():
    newer = SMALL.replace(b'"version":"1"', b'"version":"2"')
    with pytest.raises(SnapshotError, match="version 2; this release reads version 1"):
        load(newer, MODEL)
