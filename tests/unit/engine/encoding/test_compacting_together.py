"""Streams that fall due in one step are compacted together, and none is the others' concern."""

from dataclasses import fields
from typing import Any

import pytest
import torch

from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter, VisualBlock
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.conftest import encode, pictures

STREAMS = ("a", "b", "c")
FRAMES = 16
"""The budget holds all but the last of them."""
FIELDS = [field.name for field in fields(MemoryView)]


class Fault:
    """Looks on while the keys of compactions are un-rotated, and fails with some of them.

    Attributes:
        rows: of each call.
        guilty: the first key of the stream that always fails.
    """

    def __init__(self, rotary: Any) -> None:
        self.rows: list[int] = []
        self.guilty: torch.Tensor | None = None
        self._rotary = rotary

    def unrotate(self, keys: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        self.rows.append(keys.shape[0])
        if self.guilty is not None and (keys[:, 0, 0] == self.guilty).all(dim=-1).any():
            raise RuntimeError("injected")
        return self._rotary.unrotate(keys, positions)


@pytest.fixture(scope="module")
def blocks(adapter: ModelAdapter) -> dict[str, list[VisualBlock]]:
    return {name: encode(adapter, pictures(FRAMES, seed=ord(name))) for name in STREAMS}


def writer_of(adapter: ModelAdapter) -> tuple[MemoryWriter, Fault]:
    fault = Fault(adapter.rotary)
    watched: Any = Replaced(adapter, rotary=Replaced(adapter.rotary, unrotate=fault.unrotate))
    budget = (FRAMES - 1) * adapter.max_tokens_per_block
    settings = MemorySettings(budget_tokens=budget, slots=len(STREAMS), keys="rotated")
    return MemoryWriter(watched, settings, text_tokens=64), fault


def view_of(writer: MemoryWriter, memory: Any) -> MemoryView:
    return writer.slab.view(memory.slot)


def test_those_that_fall_due_together_are_compacted_in_one_call_as_each_alone(adapter, blocks):
    (together, fault), (alone, _) = writer_of(adapter), writer_of(adapter)
    both = [{name: writer.open(name) for name in STREAMS} for writer in (together, alone)]
    for frame in range(FRAMES):
        assert not together.write(both[0], {name: [blocks[name][frame]] for name in STREAMS})
        for name in STREAMS:
            assert not alone.write({name: both[1][name]}, {name: [blocks[name][frame]]})
    assert fault.rows == [adapter.decoder.shape.layers * len(STREAMS)]
    assert together.compaction_seconds.read().cumulative[-1] == len(STREAMS)
    for name in STREAMS:
        assert both[0][name].state == both[1][name].state
        actual, expected = view_of(together, both[0][name]), view_of(alone, both[1][name])
        for field in ("frames", "patches", "positions", "counts"):
            assert torch.equal(getattr(actual, field), getattr(expected, field)), (name, field)
        for field in ("keys", "values"):  # what else is in a batch changes the last bits
            torch.testing.assert_close(getattr(actual, field), getattr(expected, field), atol=1e-4, rtol=1e-4)


def test_a_stream_that_cannot_be_compacted_goes_back_alone_and_the_others_go_on(adapter, blocks):
    writer, fault = writer_of(adapter)
    memories = {name: writer.open(name) for name in STREAMS}
    assert not writer.write(memories, {name: blocks[name][:-1] for name in STREAMS})
    before = {field: getattr(view_of(writer, memories["b"]), field).clone() for field in FIELDS}
    fault.guilty = before["keys"][0, 0, 0]
    failed = writer.write(memories, {name: blocks[name][-1:] for name in STREAMS})
    assert {name: str(error) for name, error in failed.items()} == {"b": "injected"}
    assert [memories[name].compactions for name in STREAMS] == [1, 0, 1]
    assert (memories["b"].frames, memories["b"].tokens) == (FRAMES - 1, writer.budget)
    for field in FIELDS:
        assert torch.equal(getattr(view_of(writer, memories["b"]), field), before[field]), field
    fault.guilty = None
    assert not writer.write({"b": memories["b"]}, {"b": blocks["b"][-1:]})
    assert memories["b"].compactions == 1
