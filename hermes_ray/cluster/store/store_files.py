"""Files of a store: a directory, or objects in any store that fsspec has a driver for. Each is there whole or not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from hermes_ray.errors import ConfigError, SnapshotError

_UNFINISHED = ".part"
_ABANDONED_S = 3600.0
"""A file that has not grown for so long is not being written any more."""
_NO_BUCKET = "NoSuchBucket"
"""Error code of S3 (API reference, Error Responses)."""


class StoreFiles:
    """Blocks; may be used from any thread and, of a store that several machines share, from any process of any.

    Args:
        url: a directory, or whatever fsspec has a driver for.

    Attributes:
        driver: of fsspec, which is not typed.
        root: under which everything is.

    Raises:
        ConfigError: no driver reads such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            found: tuple[Any, str] = url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"snapshots.url {url}: {error}") from error
        self.driver, self.root = found

    @property
    def are_local(self) -> bool:
        """Whether they are files of a directory."""
        return isinstance(self.driver, LocalFileSystem)

    def names(self, directory: str) -> list[str]:
        """Names of what is in a directory; empty if there is no such directory.

        Raises:
            SnapshotError: the store cannot be read.
        """
        with translated(f"listing {directory}"):
            try:
                entries = self.driver.ls(directory, detail=False)
            except FileNotFoundError as error:
                if _names_no_bucket(error):
                    raise  # a wrong setting, and no store that is empty
                return []
        return [str(entry).rstrip("/").rpartition("/")[2] for entry in entries]

    def write(self, directory: str, name: str, data: bytes) -> None:
        """Write a file, or replace it. Raises what the driver raises: see :func:`translated`."""
        if self.are_local:
            _write_file(Path(directory), name, data)
        else:
            self.driver.pipe_file(f"{directory}/{name}", data)  # object stores show whole objects only

    def create(self, directory: str, name: str, data: bytes) -> bool:
        """Write a file unless there is one: of all that try at the same time, one does. For a few bytes.

        In a directory others may see it empty for a moment, or for ever if this process is killed just then.

        Returns:
            Whether this call wrote it. Raises what the driver raises: see :func:`translated`.
        """
        path = f"{directory}/{name}"
        try:
            if self.are_local:
                _create_file(Path(path), data)
            else:
                self.driver.pipe_file(path, data, mode="create")
        except OSError:  # not all drivers have an error of its own for a file that is there
            if self.driver.exists(path):
                return False
            raise
        return True


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Have ``SnapshotError`` raised for whatever a driver raises.

    Args:
        doing: begins the error's text.
    """
    try:
        yield
    except SnapshotError:
        raise
    # Drivers raise what their libraries raise (botocore, aiohttp, azure, ...), which have no class in common.
    except Exception as error:
        raise SnapshotError(
            f"{doing}: {type(error).__name__}: {error}; check snapshots.url, its endpoint and credentials"
        ) from error


def _write_file(directory: Path, name: str, data: bytes) -> None:
    """Write beside, flush, rename: after a power cut too, the name stands for the whole file or for none."""
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f"{name}-{uuid4().hex}{_UNFINISHED}"  # no other process, of whatever cluster, writes it
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _remove_abandoned(directory, unfinished.stat().st_mtime)
        unfinished.replace(directory / name)
    finally:
        unfinished.unlink(missing_ok=True)  # half a file would only help to keep a full disk full


def _create_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _remove_abandoned(directory: Path, now_s: float) -> None:
    """Remove what killed processes have left unfinished, by the clock of the file server, which sets the times."""
    for other in directory.glob(f"*{_UNFINISHED}"):
        try:
            abandoned = other.stat().st_mtime < now_s - _ABANDONED_S
        except FileNotFoundError:  # finished meanwhile
            continue
        if abandoned:
            other.unlink(missing_ok=True)


def _names_no_bucket(error: FileNotFoundError) -> bool:
    response = getattr(error.__cause__, "response", None)  # botocore's; drivers raise the same class for both
    return isinstance(response, dict) and response.get("Error", {}).get("Code") == _NO_BUCKET
