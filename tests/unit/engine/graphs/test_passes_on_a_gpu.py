"""On a GPU frames are written as on a CPU, and nothing makes the CPU wait that is not meant to."""

from pathlib import Path

import pytest
import torch

from hermes_ray import models
from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import encode, pictures

pytestmark = pytest.mark.gpu

STREAMS, FRAMES = ("cam", "other", "third"), 24


def writer_of(adapter: ModelAdapter, keys: str = "unrotated") -> MemoryWriter:
    return MemoryWriter(adapter, MemorySettings(budget_tokens=100, slots=3, keys=keys), text_tokens=64)


def watch(adapter: ModelAdapter, writer: MemoryWriter, *, begin_together: bool = False) -> None:
    """Streams that begin one after the other, or all at once, and are compacted more than once.

    Those that begin at once are compacted in one call.
    """
    memories = {name: writer.open(name) for name in STREAMS}
    blocks = {name: encode(adapter, pictures(FRAMES, seed=seed)) for seed, name in enumerate(STREAMS)}
    for frame in range(FRAMES):
        batch = {
            name: [blocks[name][frame]] for begins, name in enumerate(STREAMS) if begin_together or frame >= begins
        }
        assert not writer.write({name: memories[name] for name in batch}, batch)
    assert memories["cam"].compactions > 1


@pytest.mark.parametrize("begin_together", [False, True])
@pytest.mark.parametrize("keys", ["unrotated", "rotated"])
def test_memories_in_float32_hold_what_they_hold_on_a_cpu(
    model_directory: Path, keys: str, begin_together: bool
) -> None:
    slabs = {}
    for device in ("cpu", "cuda"):
        adapter = models.load(model_directory, device=device, dtype="float32")
        writer = writer_of(adapter, keys)
        watch(adapter, writer, begin_together=begin_together)
        slabs[device] = writer.slab
    for slot in range(len(STREAMS)):
        expected, actual = slabs["cpu"].view(slot), slabs["cuda"].view(slot)
        assert actual.frames.cpu().equal(expected.frames)
        assert actual.patches.cpu().equal(expected.patches)
        torch.testing.assert_close(actual.values.cpu(), expected.values, rtol=0, atol=1e-4)


@pytest.mark.parametrize("begin_together", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nothing_waits_for_the_gpu_unawares(model_directory: Path, dtype: str, begin_together: bool) -> None:
    adapter = models.load(model_directory, device="cuda", dtype=dtype)
    watch(adapter, writer_of(adapter))  # what is made at the first use may wait
    writer = writer_of(adapter)
    torch.cuda.set_sync_debug_mode("error")
    try:
        watch(adapter, writer, begin_together=begin_together)
    finally:
        torch.cuda.set_sync_debug_mode("default")
