"""Where memories wait while other streams have the slots: in host memory first, then on disk."""

import hashlib
from collections import OrderedDict
from pathlib import Path

from hermes_ray.engine.residency.spill import SpillDirectory
from hermes_ray.engine.residency.thumbnails import Thumbnails
from hermes_ray.errors import NoFreeSlot, SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.memory.view import MemoryView


class ParkingLot:
    """Memories of streams without a slot, the longest untouched on disk.

    What is taken out is bit for bit what was put in. The files live no longer than the lot: they are no snapshots
    to recover from, and those of a process that was killed are removed by the next one (:class:`SpillDirectory`).

    Thumbnails stay with their stream while its memory is in host memory, and go to disk and back with it.

    Args:
        host_streams: memories to hold in host memory.
        directory: for more; ``None`` refuses more.
        fingerprint: of the model, checked when a file is read back.
    """

    def __init__(self, *, host_streams: int, directory: Path | None, fingerprint: str) -> None:
        self._host_streams = host_streams
        self._directory = None if directory is None else SpillDirectory(directory)
        self._fingerprint = fingerprint
        self._host: OrderedDict[str, MemoryView] = OrderedDict()
        self._files: dict[str, Path] = {}
        self._thumbnails: dict[str, Thumbnails] = {}

    @property
    def in_host_memory(self) -> int:
        """Memories held in host memory."""
        return len(self._host)

    @property
    def on_disk(self) -> int:
        """Memories held on disk."""
        return len(self._files)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._host or stream_id in self._files

    def put(self, stream_id: str, memory: MemoryView, thumbnails: Thumbnails) -> None:
        """Take a memory in, or leave everything as it was.

        Args:
            stream_id: whose.
            memory: its tensors must be on the CPU and belong to nobody else.
            thumbnails: the stream's, which it goes on using.

        Raises:
            NoFreeSlot: host memory is full and there is no directory.
            SnapshotError: the disk does not take it.
        """
        self._host[stream_id] = memory
        self._thumbnails[stream_id] = thumbnails
        if len(self._host) <= self._host_streams:
            return
        oldest = next(iter(self._host))
        try:
            self._files[oldest] = self._write(oldest, self._host[oldest])
        except (NoFreeSlot, SnapshotError):
            del self._host[stream_id]
            raise
        del self._host[oldest]
        self._thumbnails[oldest].spill()

    def put_back(self, stream_id: str, memory: MemoryView) -> None:
        """Undo a :meth:`take`: never refused, so there may be one more in host memory than there should."""
        self._host[stream_id] = memory

    def take(self, stream_id: str) -> MemoryView:
        """Give a memory back and forget it.

        Raises:
            KeyError: it is not here.
            SnapshotError: its file is gone or damaged.
        """
        if stream_id in self._host:
            return self._host.pop(stream_id)
        path = self._files.pop(stream_id)
        try:
            parked = snapshot_format.load(path.read_bytes(), self._fingerprint)
        except OSError as error:
            raise SnapshotError(f"the parked memory of stream {stream_id!r} cannot be read: {error}") from error
        finally:
            path.unlink(missing_ok=True)
        self._thumbnails[stream_id].load(parked.attached, parked.view)
        return parked.view

    def discard(self, stream_id: str) -> None:
        """Forget a memory, if it is here."""
        self._host.pop(stream_id, None)
        self._thumbnails.pop(stream_id, None)
        if (path := self._files.pop(stream_id, None)) is not None:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all, files too."""
        for stream_id in [*self._host, *self._files]:
            self.discard(stream_id)
        if self._directory is not None:
            self._directory.close()

    def _write(self, stream_id: str, memory: MemoryView) -> Path:
        if self._directory is None:
            raise NoFreeSlot(
                f"{self._host_streams} memories wait in host memory already (memory.host_streams); raise it, "
                "name a memory.spill_directory, or add workers"
            )
        try:
            # Stream ids of library users may hold anything, slashes too.
            path = self._directory.path(hashlib.sha256(stream_id.encode()).hexdigest())
            # The rest of what a snapshot says stays with the stream, which has not left this process.
            attached = self._thumbnails[stream_id].to_tensors()
            parked = Snapshot(memory, policy="", budget_tokens=0, next_frame=0, attached=attached)
            path.write_bytes(snapshot_format.dump(parked, self._fingerprint))
        except OSError as error:
            raise SnapshotError(f"stream {stream_id!r} cannot be parked: {error}") from error
        return path
