"""A stream between two steps, as a snapshot and back: its visual tokens and what is not in the slab."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.residency.capture_times import CaptureTimes
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.engine.residency.scene import Scene
from hermes_ray.engine.residency.stream_memory import StreamMemory, TimedPixels, slot_of
from hermes_ray.errors import SnapshotError
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.memory.view import MemoryView, copied
from hermes_ray.models import ModelAdapter

_STREAM = "stream"
_CALLER = "caller"
CAPTURED_FRAMES, CAPTURED_MS = "captured.frames", "captured.ms"
REFERENCE, SCENE = "reference", "scene"


def cut(memory: StreamMemory, as_of_ms: int, writer: MemoryWriter, extra: Mapping[str, Any]) -> Snapshot:
    """Copy a stream to the CPU; it shares nothing that later frames change.

    Args:
        memory: in a slot.
        as_of_ms: capture time of its newest frame.
        writer: which wrote it.
        extra: a JSON object of the caller's.
    """
    state = {
        "as_of_ms": as_of_ms,
        "compactions": memory.compactions,
        "started_ms": memory.started_ms,
        "newest_block_ms": memory.newest_block_ms,
        "held_back_ms": [frame.elapsed_ms for frame in memory.held_back],
        "held_back_numbers": [frame.number for frame in memory.held_back],
        "frames_seen": memory.frames_seen,
        "unchanged": memory.unchanged,
        "tokens_left_out": memory.tokens_left_out,
        "reach": memory.reach,
        "scene": None if memory.scene is None else [memory.scene.height, memory.scene.width, memory.scene.whole_ms],
        "reference_ms": None if memory.reference is None else memory.reference.ts_ms,
    }
    view = copied(writer.slab.view(slot_of(memory)), "cpu")
    memory.captured.keep(view, memory.frames)
    memory.keep_thumbnails(view)
    compared = {REFERENCE: memory.reference, SCENE: memory.scene}
    return Snapshot(
        view=view,
        policy=writer.policy.name,
        budget_tokens=writer.budget,
        next_frame=memory.frames,
        extra={_STREAM: state, _CALLER: dict(extra)},
        attached={
            **{str(index): frame.pixels for index, frame in enumerate(memory.held_back)},
            CAPTURED_FRAMES: torch.tensor(memory.captured.frames, dtype=torch.int64),
            CAPTURED_MS: torch.tensor(memory.captured.ms, dtype=torch.int64),
            **memory.thumbnails.to_tensors(),
            **{name: _as_tensor(known.cells) for name, known in compared.items() if known is not None},
        },
    )


def paste(snapshot: Snapshot, memory: StreamMemory, writer: MemoryWriter, adapter: ModelAdapter) -> int:
    """Make a new stream's memory what it was when it was cut.

    Policy and budget may be others than then: the stream goes on under those of the writer.

    Args:
        snapshot: from :func:`cut`.
        memory: empty and in a slot; changed.
        writer: which goes on with it.
        adapter: its model.

    Returns:
        Capture time of its newest frame, ms since epoch.

    Raises:
        SnapshotError: it is no stream, or holds more than the budget; the memory is as before.
    """
    if _STREAM not in snapshot.extra:
        raise SnapshotError("the snapshot holds a memory, but not the state of a stream")
    if snapshot.view.tokens > writer.budget:
        raise SnapshotError(
            f"the snapshot holds {snapshot.view.tokens} tokens a layer, more than memory.budget_tokens {writer.budget}"
        )
    state = snapshot.extra[_STREAM]
    writer.slab.replace(slot_of(memory), snapshot.view)
    memory.tokens = snapshot.view.tokens
    memory.frames = snapshot.next_frame
    memory.compactions = state["compactions"]
    memory.started_ms = state["started_ms"]
    memory.newest_block_ms = state["newest_block_ms"]
    memory.held_back = _held_back(snapshot, state, adapter)
    memory.frames_seen = state.get("frames_seen", memory.frames + len(memory.held_back))
    memory.unchanged = state.get("unchanged", 0)
    memory.tokens_left_out = state.get("tokens_left_out", 0)
    reach = _reach(snapshot.view, writer.slab.prefix)
    memory.reach = max(reach, state.get("reach", reach))  # an earlier release did not say
    memory.captured = _captured(snapshot)
    newest = memory.held_back[-1].number if memory.held_back else memory.frames - 1
    memory.thumbnails.load(snapshot.attached, snapshot.view, newest)
    memory.keep_thumbnails(snapshot.view)
    if REFERENCE in snapshot.attached:
        memory.reference = Reference(_cells(snapshot.attached[REFERENCE]), state["reference_ms"])
    if SCENE in snapshot.attached:
        memory.scene = Scene(_cells(snapshot.attached[SCENE]), *state["scene"])
    settings = snapshot.policy, snapshot.budget_tokens
    other_settings = SCENE in snapshot.attached or settings != (writer.policy.name, writer.budget)
    writer.settle(memory, reach, other_settings=other_settings)
    return state["as_of_ms"]


def fitted(pixels: Tensor, adapter: ModelAdapter) -> Tensor:
    """A frame that was held back where frames may have been larger, in a size that they have here.

    Raises:
        UnsupportedMedia: the model cannot take it.
    """
    # Earlier releases kept frames that are normalised already: those cannot be resized as the tower expects it.
    if pixels.is_floating_point() or adapter.may_wait(tuple(pixels.shape)):
        return pixels
    return adapter.preprocess(pixels.permute(1, 2, 0).numpy())


def _held_back(snapshot: Snapshot, state: Mapping[str, Any], adapter: ModelAdapter) -> tuple[TimedPixels, ...]:
    times = state["held_back_ms"]
    # A snapshot of a release that left no frame out says no numbers: they follow those that are encoded.
    numbers = state.get("held_back_numbers", range(snapshot.next_frame, snapshot.next_frame + len(times)))
    return tuple(
        TimedPixels(fitted(snapshot.attached[str(index)], adapter), elapsed_ms, number)
        for index, (elapsed_ms, number) in enumerate(zip(times, numbers, strict=True))
    )


def _as_tensor(cells: NDArray[np.uint16]) -> Tensor:
    """They need 14 bits; not every reader of safetensors knows unsigned numbers of 16."""
    return torch.from_numpy(cells.astype(np.int16))


def _cells(tensor: Tensor) -> NDArray[np.uint16]:
    return tensor.numpy().astype(np.uint16)


def _reach(view: MemoryView, prefix: int) -> int:
    """Below which position all of a memory's are."""
    return int(view.positions.max()) + 1 if view.tokens else prefix


def _captured(snapshot: Snapshot) -> CaptureTimes:
    if CAPTURED_FRAMES not in snapshot.attached:
        return CaptureTimes()  # a snapshot of a release that did not note them
    return CaptureTimes(snapshot.attached[CAPTURED_FRAMES].tolist(), snapshot.attached[CAPTURED_MS].tolist())
