"""Where snapshots are kept: files in a directory, or objects in any store that fsspec has a driver for."""

import getpass
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from hermes_ray.config import SnapshotSettings
from hermes_ray.errors import ConfigError, SnapshotError

_STREAM = "stream="
"""Before a stream's id, which may be ``..``, in the name of its directory."""
_SUFFIX = ".snapshot"
_UNFINISHED = ".part"
_TRIAL = "trial-"
_NO_BUCKET = "NoSuchBucket"
"""Error code of S3 (API reference, Error Responses)."""


@dataclass(frozen=True, slots=True, order=True)
class SnapshotName:
    """Names one snapshot of a stream; the newest is the largest.

    Attributes:
        epoch: of the owner that wrote it, so that what a former owner writes late is never the newest.
        sequence: grows with every snapshot of that owner.
    """

    epoch: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch:020d}-{self.sequence:010d}{_SUFFIX}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The name of a file; ``None`` for a file that is no finished snapshot."""
        epoch, _, sequence = name.removesuffix(_SUFFIX).partition("-")
        if not (name.endswith(_SUFFIX) and epoch.isdecimal() and sequence.isdecimal()):
            return None
        return cls(int(epoch), int(sequence))


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
        try:
            # Any: fsspec is not typed.
            found: tuple[Any, str] = url_to_fs(str(settings.url), use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"snapshots.url {settings.url}: {error}") from error
        self._files, self._root = found

    def check(self) -> None:
        """Make sure that something can be written, listed and removed.

        Raises:
            SnapshotError: it cannot.
        """
        name = f"{_TRIAL}{uuid4().hex}"
        with _translated("trying the snapshot store"):
            self._write(self._root, name, b"")
            self._files.ls(self._root, detail=False)
            self._files.rm_file(f"{self._root}/{name}")

    def put(self, stream_id: str, name: SnapshotName, data: bytes) -> None:
        """Write a snapshot.

        Raises:
            SnapshotError: it could not be written; the older ones are still there.
        """
        with _translated(f"writing a snapshot of stream {stream_id!r}"):
            self._write(self._directory(stream_id), str(name), data)

    def prune(self, stream_id: str, keep: int | None = None) -> None:
        """Remove a stream's snapshots that are too many, the oldest first. For its owner, who writes no other now.

        Args:
            stream_id: whose.
            keep: how many of them stay; by default as many as the settings say.

        Raises:
            SnapshotError: not all could be removed; the newest are still there.
        """
        self._remove(stream_id, reversed(self.names(stream_id)[self._keep if keep is None else keep :]))

    def expire(self, older_than_s: float) -> list[str]:
        """Remove all snapshots of streams that have had none newer for so long.

        Args:
            older_than_s: age of the newest, by the store's clock for its files and by this machine's for now, seconds.

        Returns:
            The streams of which there is nothing any more.

        Raises:
            SnapshotError: the store cannot be read or written, or keeps no times; what was removed stays removed.
        """
        before_s = time.time() - older_than_s
        return [stream for stream in self.streams() if self._remove_all_from_before(stream, before_s)]

    def names(self, stream_id: str) -> list[SnapshotName]:
        """A stream's snapshots, newest first.

        Raises:
            SnapshotError: the store cannot be read.
        """
        found = (SnapshotName.parse(name) for name in self._list(self._directory(stream_id)))
        return sorted((name for name in found if name is not None), reverse=True)

    def read(self, stream_id: str, name: SnapshotName) -> bytes:
        """The bytes of a snapshot.

        Raises:
            SnapshotError: it is gone, or the store cannot be read.
        """
        with _translated(f"reading a snapshot of stream {stream_id!r}"):
            return self._files.cat_file(f"{self._directory(stream_id)}/{name}")

    def streams(self) -> list[str]:
        """Streams of which there is a snapshot.

        Raises:
            SnapshotError: the store cannot be read.
        """
        named = [name.removeprefix(_STREAM) for name in self._list(self._root) if name.startswith(_STREAM)]
        return sorted(stream for stream in named if self.names(stream))

    def _write(self, directory: str, name: str, data: bytes) -> None:
        if isinstance(self._files, LocalFileSystem):
            _write_file(Path(directory), name, data)
        else:
            self._files.pipe_file(f"{directory}/{name}", data)  # object stores show whole objects only

    def _remove_all_from_before(self, stream_id: str, before_s: float) -> bool:
        names = self.names(stream_id)
        directory = self._directory(stream_id)
        with _translated(f"reading the age of stream {stream_id!r}'s snapshots"):
            if not names or self._files.modified(f"{directory}/{names[0]}").timestamp() >= before_s:
                return False
        self._remove(stream_id, reversed(names))  # these, and none that was written since
        if isinstance(self._files, LocalFileSystem):
            with suppress(OSError):  # not empty: somebody has begun to write
                Path(directory).rmdir()
        return True

    def _remove(self, stream_id: str, names: Iterable[SnapshotName]) -> None:
        directory = self._directory(stream_id)
        with _translated(f"removing old snapshots of stream {stream_id!r}"):
            for name in names:
                self._files.rm_file(f"{directory}/{name}")

    def _directory(self, stream_id: str) -> str:
        return f"{self._root}/{_STREAM}{stream_id}"

    def _list(self, directory: str) -> list[str]:
        with _translated(f"listing {directory}"):
            try:
                entries = self._files.ls(directory, detail=False)
            except FileNotFoundError as error:
                if _names_no_bucket(error):
                    raise  # a wrong setting, and no store in which the stream has no snapshots
                return []
        return [str(entry).rstrip("/").rpartition("/")[2] for entry in entries]


def _write_file(directory: Path, name: str, data: bytes) -> None:
    """Write beside, flush, rename: after a power cut too, the name stands for the whole file or for none."""
    directory.mkdir(parents=True, exist_ok=True)
    for abandoned in directory.glob(f"*{_UNFINISHED}"):  # by a process that was killed; a stream has one owner
        abandoned.unlink(missing_ok=True)
    unfinished = directory / f"{name}{_UNFINISHED}"
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(directory / name)
    finally:
        unfinished.unlink(missing_ok=True)  # half a file would only help to keep a full disk full


def temporary_root() -> str:
    """The directory under which clusters of this user have their temporary snapshots, on this machine."""
    return str(Path(tempfile.gettempdir()) / f"hermes-ray-{getpass.getuser()}")


def resolved(settings: SnapshotSettings) -> SnapshotSettings:
    """The settings with ``auto`` replaced by a directory that no other cluster uses."""
    if settings.url != "auto":
        return settings
    return settings.model_copy(update={"url": f"{temporary_root()}/snapshots-{uuid4().hex}"})


def remove_temporary(url: str) -> None:
    """Remove a directory that :func:`resolved` named, as far as this machine has it."""
    shutil.rmtree(url, ignore_errors=True)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except SnapshotError:
        raise
    # Drivers raise what their libraries raise (botocore, aiohttp, azure, ...), which have no class in common.
    except Exception as error:
        raise SnapshotError(
            f"{doing}: {type(error).__name__}: {error}; check snapshots.url, its endpoint and credentials"
        ) from error


def _names_no_bucket(error: FileNotFoundError) -> bool:
    response = getattr(error.__cause__, "response", None)  # botocore's; drivers raise the same class for both
    return isinstance(response, dict) and response.get("Error", {}).get("Code") == _NO_BUCKET
