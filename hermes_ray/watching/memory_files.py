"""Memories as files: the same as the HTTP API exports and imports."""

import time
from typing import TYPE_CHECKING

from hermes_ray.cluster.wire.memory_file import manifest_of
from hermes_ray.errors import InvalidMemory, SnapshotError

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine


def export_memory(engine: "StreamEngine", stream_id: str) -> bytes:
    """A stream's memory as the bytes of a memory file (safetensors), for ``import_memory`` or a running system.

    Raises:
        UnknownStream: no frame of it was shown.
        SnapshotError: its memory was parked on disk and cannot be read back.
    """
    return engine.snapshot(stream_id, manifest_of(engine.stream_stats(stream_id), time.time()))


def import_memory(engine: "StreamEngine", stream_id: str, data: bytes) -> None:
    """Begin a stream with a memory that was exported, here or by a running system. It can be asked at once.

    Raises:
        InvalidMemory: the bytes are none, of another model or policy, or too large; or the stream has a memory.
        NoFreeSlot: there is no room for another stream.
    """
    try:
        engine.check_memory(data)
        engine.restore(stream_id, data)
    except SnapshotError as error:
        raise InvalidMemory(f"not a memory for this engine: {error}") from error
