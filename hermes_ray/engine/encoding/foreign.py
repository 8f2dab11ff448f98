"""Snapshots that strangers hand in: a checksum proves that one is whole, not that it is sound."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hermes_ray.engine.encoding.writer import MemoryWriter
from hermes_ray.errors import SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.memory.view import SUMMARY

_MOST_POSITION = 2**30
_MOST_MS = 2**53
"""The largest integer that JSON carries everywhere (RFC 8259, section 6)."""
_MOST_PIXELS = 2**26
_WHOLE = (torch.int32, torch.int64)


def load_foreign(data: bytes, writer: MemoryWriter) -> Snapshot:
    """Read a snapshot of any origin.

    Args:
        data: the bytes.
        writer: of the engine that is to go on with the memory.

    Raises:
        SnapshotError: they are no snapshot, of another model or policy, too large for the budget, or what they hold
            cannot be a stream's memory.
    """
    try:
        found = snapshot_format.load(data, writer.fingerprint)
        _check_settings(found, writer)
        _check_view(found, writer)
        _check_state(found)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"what the file says of itself makes no sense ({type(error).__name__}: {error})") from error
    return found


def _check_settings(found: Snapshot, writer: MemoryWriter) -> None:
    if found.policy != writer.policy.name:
        raise SnapshotError(
            f"the memory was made under policy {found.policy}, and this system has {writer.policy.name}"
        )
    if found.view.tokens > writer.budget:
        raise SnapshotError(
            f"the memory holds {found.view.tokens} tokens a layer, more than memory.budget_tokens {writer.budget} here"
        )


def _check_view(found: Snapshot, writer: MemoryWriter) -> None:
    view, shape, tokens = found.view, writer.slab.shape, found.view.tokens
    kv, flat = (shape.layers, shape.kv_heads, tokens, shape.head_dim), (shape.layers, tokens)
    dtype = writer.slab.keys.dtype
    _expect("keys", view.keys, kv, (dtype,))
    _expect("values", view.values, kv, (dtype,))
    _expect("positions", view.positions, (*flat, shape.axes), _WHOLE)
    for name in ("frames", "patches", "counts"):
        _expect(name, getattr(view, name), flat, _WHOLE)
    if tokens == 0:
        raise SnapshotError("the memory is empty")
    _within("positions", view.positions, 0, _MOST_POSITION)
    _within("frames", view.frames, SUMMARY, _whole("next_frame", found.next_frame) - 1)
    _within("counts", view.counts, 1, 2**31 - 1)
    if not (view.keys.isfinite().all() and view.values.isfinite().all()):
        raise SnapshotError("the memory's keys or values are not finite")


def _check_state(found: Snapshot) -> None:
    state: Mapping[str, Any] = found.extra["stream"]
    for name in ("as_of_ms", "compactions"):
        _whole(name, state[name])
    for name in ("started_ms", "newest_block_ms"):
        if state[name] is not None:
            _whole(name, state[name])
    for index, elapsed_ms in enumerate(state["held_back_ms"]):
        _whole("held_back_ms", elapsed_ms)
        pixels = found.attached[str(index)]
        if not pixels.is_floating_point() or pixels.numel() > _MOST_PIXELS or not pixels.isfinite().all():
            raise SnapshotError("a frame that waits for its group is no picture")
    frames, captured = found.attached.get("captured.frames"), found.attached.get("captured.ms")
    if frames is not None and captured is not None:
        _expect("captured.frames", frames, (len(captured),), (torch.int64,))
        _expect("captured.ms", captured, (len(captured),), (torch.int64,))
        if len(frames) and not (frames.diff() > 0).all():
            raise SnapshotError("the capture times are not in the order of their frames")
    if not isinstance(found.extra["caller"], dict):
        raise SnapshotError("what the file says of itself makes no sense")


def _expect(name: str, tensor: Tensor, shape: tuple[int, ...], dtypes: tuple[torch.dtype, ...]) -> None:
    if tuple(tensor.shape) != shape or tensor.dtype not in dtypes:
        raise SnapshotError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, and {dtypes[0]} {shape} is needed here")


def _within(name: str, tensor: Tensor, least: int, most: int) -> None:
    if tensor.min() < least or tensor.max() > most:
        raise SnapshotError(f"{name} holds numbers that are not within {least} and {most}")


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_MS:
        raise SnapshotError(f"{name} is no whole number from 0 on")
    return value
