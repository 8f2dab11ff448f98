"""Where snapshots are kept: files in a directory, or objects in any store that fsspec has a driver for."""

import getpass
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from hermes_ray.cluster.store.snapshot_name import SnapshotName, that_count
from hermes_ray.cluster.store.store_files import StoreFiles, translated
from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import SnapshotError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_STREAM = "stream="
"""Before a stream's id, which may be ``..``, in the name of its directory."""
_TRIAL = "trial-"


class SnapshotStore:
    """Keeps the newest few snapshots of every stream. A snapshot is there as a whole or not at all.

    Blocks; may be used from any thread, from one at a time for each stream.

    Args:
        settings: where, and how many of each stream.

    Raises:
        ConfigError: no driver reads such a URL.
    """

    def __init__(self, settings: SnapshotSettings) -> None:
        self._keep = settings.keep
        self._files = StoreFiles(str(settings.url))
        self._driver, self._root = self._files.driver, self._files.root

    @property
    def keep(self) -> int:
        """How many snapshots of a stream are kept."""
        return self._keep

    def check(self) -> None:
        """Make sure that something can be written, listed and removed.

        Raises:
            SnapshotError: it cannot.
        """
        name = f"{_TRIAL}{uuid4().hex}"
        with translated("trying the snapshot store"):
            self._files.write(self._root, name, b"")
            self._driver.ls(self._root, detail=False)
            self._driver.rm_file(f"{self._root}/{name}")

    def put(self, stream_id: str, name: SnapshotName, data: bytes) -> None:
        """Write a snapshot.

        Raises:
            SnapshotError: it could not be written; the older ones are still there.
        """
        with translated(f"writing a snapshot of stream {stream_id!r}"):
            self._files.write(self._directory(stream_id), str(name), data)

    def prune(self, stream_id: str, keep: int | None = None) -> None:
        """Remove a stream's snapshots that are too many, the oldest first. For its owner, who writes no other now.

        That the stream was erased is not forgotten: should all snapshots be damaged, the records from before stay out.

        Args:
            stream_id: whose.
            keep: how many of them stay; by default as many as the settings say.

        Raises:
            SnapshotError: not all could be removed; the newest are still there.
        """
        names = self._all_names(stream_id)
        keep = self._keep if keep is None else keep
        stays = {name for at, name in enumerate(that_count(names)) if at < keep or name.erased}
        self._remove(stream_id, (name for name in reversed(names) if name not in stays))

    def erase(self, stream_id: str, epoch: int, sequence: int, data: bytes) -> bool:
        """Write down that a stream was erased, and remove its snapshots.

        Args:
            stream_id: whose.
            epoch: under which the stream is owned; what was written under an older one counts for nothing, also if it
                is written later.
            sequence: above those of the owner's snapshots under that epoch.
            data: what its next owner is to know.

        Returns:
            Whether every snapshot could be removed; :meth:`sweep` tries again.

        Raises:
            SnapshotError: it could not be written; nothing has changed.
        """
        self.put(stream_id, SnapshotName(epoch, sequence, erased=True), data)
        try:
            self.prune(stream_id, keep=1)
        except SnapshotError as error:
            log.error("snapshots of an erased stream stay", stream_id=stream_id, error=str(error))
            return False
        return True

    def sweep(self) -> None:
        """Remove what counts for nothing since its stream was erased, such as what a former owner wrote later.

        Raises:
            SnapshotError: the store cannot be read or written; what was removed stays removed.
        """
        for stream_id in self._directories():
            names = self._all_names(stream_id)
            self._remove(stream_id, reversed(names[len(that_count(names)) :]))

    def expire(self, older_than_s: float | None, of_stream: Mapping[str, float] | None = None) -> list[str]:
        """Remove all snapshots of streams that have had none newer for so long.

        Args:
            older_than_s: age of the newest, by the store's clock for its files and by this machine's for now, seconds.
            of_stream: the same, for streams that have an age of their own.

        Returns:
            The streams of which there is nothing any more. What is known of those that were erased expires too.

        Raises:
            SnapshotError: the store cannot be read or written, or keeps no times; what was removed stays removed.
        """
        now_s, of_stream, newest = time.time(), of_stream or {}, self.newest()
        ages_s = {stream: of_stream.get(stream, older_than_s) for stream in newest}
        expired = [
            stream
            for stream, age_s in ages_s.items()
            if age_s is not None and self._remove_all_from_before(stream, now_s - age_s)
        ]
        return [stream for stream in expired if not newest[stream].erased]

    def names(self, stream_id: str) -> list[SnapshotName]:
        """A stream's snapshots, newest first; if it was erased, those since, and last what says so.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return that_count(self._all_names(stream_id))

    def read(self, stream_id: str, name: SnapshotName) -> bytes:
        """The bytes of a snapshot.

        Raises:
            SnapshotError: it is gone, or the store cannot be read.
        """
        with translated(f"reading a snapshot of stream {stream_id!r}"):
            return self._driver.cat_file(f"{self._directory(stream_id)}/{name}")

    def streams(self) -> list[str]:
        """Streams of which there is a snapshot.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return [stream for stream, newest in self.newest().items() if not newest.erased]

    def newest(self) -> dict[str, SnapshotName]:
        """Of every stream that has any its newest snapshot, or what says that it was erased; by stream id, in order.

        Raises:
            SnapshotError: the store cannot be read.
        """
        found = ((stream, self.names(stream)) for stream in self._directories())
        return {stream: names[0] for stream, names in found if names}

    def documents(self, folder: str) -> list[str]:
        """Names of what a folder beside the streams holds.

        Raises:
            SnapshotError: the store cannot be read.
        """
        return self._files.names(f"{self._root}/{folder}")

    def read_document(self, folder: str, name: str) -> bytes:
        """The bytes of one.

        Raises:
            SnapshotError: it is gone, or the store cannot be read.
        """
        with translated(f"reading {folder}/{name}"):
            return self._driver.cat_file(f"{self._root}/{folder}/{name}")

    def put_document(self, folder: str, name: str, data: bytes) -> None:
        """Write one, as a whole or not at all.

        Raises:
            SnapshotError: it could not be written.
        """
        with translated(f"writing {folder}/{name}"):
            self._files.write(f"{self._root}/{folder}", name, data)

    def remove_document(self, folder: str, name: str) -> None:
        """Remove one. Harmless if it is gone.

        Raises:
            SnapshotError: it could not be removed.
        """
        with translated(f"removing {folder}/{name}"), suppress(FileNotFoundError):
            self._driver.rm_file(f"{self._root}/{folder}/{name}")

    def _directories(self) -> list[str]:
        return sorted(name.removeprefix(_STREAM) for name in self._files.names(self._root) if name.startswith(_STREAM))

    def _all_names(self, stream_id: str) -> list[SnapshotName]:
        found = (SnapshotName.parse(name) for name in self._files.names(self._directory(stream_id)))
        return sorted((name for name in found if name is not None), reverse=True)

    def _remove_all_from_before(self, stream_id: str, before_s: float) -> bool:
        names = self._all_names(stream_id)
        directory = self._directory(stream_id)
        with translated(f"reading the age of stream {stream_id!r}'s snapshots"):
            if not names or self._driver.modified(f"{directory}/{names[0]}").timestamp() >= before_s:
                return False
        self._remove(stream_id, reversed(names))  # these, and none that was written since
        if self._files.are_local:
            with suppress(OSError):  # not empty: somebody has begun to write
                Path(directory).rmdir()
        return True

    def _remove(self, stream_id: str, names: Iterable[SnapshotName]) -> None:
        directory = self._directory(stream_id)
        with translated(f"removing old snapshots of stream {stream_id!r}"):
            for name in names:
                with suppress(FileNotFoundError):  # the Coordinator and an owner may remove the same
                    self._driver.rm_file(f"{directory}/{name}")

    def _directory(self, stream_id: str) -> str:
        return f"{self._root}/{_STREAM}{stream_id}"


def temporary_root() -> str:
    """The directory under which clusters of this user have their temporary snapshots, on this machine."""
    return str(Path(tempfile.gettempdir()) / f"hermes-ray-{getpass.getuser()}")


def is_shared(settings: SnapshotSettings) -> bool:
    """Whether another cluster may use the same store, be it the one that follows this one."""
    return settings.url is not None and settings.url != "auto" and not settings.url.startswith(temporary_root())


def resolved(settings: SnapshotSettings) -> SnapshotSettings:
    """The settings with ``auto`` replaced by a directory that no other cluster uses."""
    if settings.url != "auto":
        return settings
    return settings.model_copy(update={"url": f"{temporary_root()}/snapshots-{uuid4().hex}"})


def remove_temporary(url: str) -> None:
    """Remove a directory that :func:`resolved` named, as far as this machine has it."""
    shutil.rmtree(url, ignore_errors=True)
