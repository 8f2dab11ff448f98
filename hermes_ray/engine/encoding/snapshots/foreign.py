"""Snapshots that strangers hand in: a checksum proves that one is whole, not that it is sound."""

import torch

from hermes_ray.engine.encoding.snapshots.foreign_state import MOST_FRAMES, check_state
from hermes_ray.engine.encoding.snapshots.soundness import expect, whole, within
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.memory.view import SUMMARY
from hermes_ray.models import ModelAdapter

_WHOLE = (torch.int32, torch.int64)


def load_foreign(data: bytes, writer: MemoryWriter, adapter: ModelAdapter) -> Snapshot:
    """Read a snapshot of any origin.

    Args:
        data: the bytes.
        writer: of the engine that is to go on with the memory.
        adapter: its model.

    Raises:
        SnapshotError: they are no snapshot, of another model or policy, too large for the budget, or what they hold
            cannot be a stream's memory.
    """
    try:
        found = snapshot_format.load(data, writer.fingerprint)
        _check_settings(found, writer)
        _check_view(found, writer, adapter.decoder.shape.max_positions)
        check_state(found, adapter)
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


def _check_view(found: Snapshot, writer: MemoryWriter, positions: int) -> None:
    view, shape, tokens = found.view, writer.slab.shape, found.view.tokens
    kv, flat = (shape.layers, shape.kv_heads, tokens, shape.head_dim), (shape.layers, tokens)
    dtype = writer.slab.keys.dtype
    expect("keys", view.keys, kv, dtype)
    expect("values", view.values, kv, dtype)
    expect("positions", view.positions, (*flat, shape.axes), *_WHOLE)
    for name in ("frames", "patches", "counts"):
        expect(name, getattr(view, name), flat, *_WHOLE)
    if tokens == 0:
        raise SnapshotError("the memory is empty")
    within("positions", view.positions, 0, positions - 1)
    within("frames", view.frames, SUMMARY, whole("next_frame", found.next_frame, MOST_FRAMES) - 1)
    within("patches", view.patches, -(2**31), 2**31 - 1)
    within("counts", view.counts, 1, 2**31 - 1)
    if not (view.keys.isfinite().all() and view.values.isfinite().all()):
        raise SnapshotError("the memory's keys or values are not finite")
