"""A directory of one process inside one that many share, which does not outlive the process for long."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_LOCK, _FILES = ".lock", ".parked"


class SpillDirectory:
    """Holds the files of this process, apart from those of others on the machine.

    As long as the process lives it holds a lock (``flock``), which ends with it, however that ends. Whoever begins
    removes the directories whose locks nobody holds: what was parked by a process that was killed holds pictures of
    people, and nobody reads it again.

    Args:
        root: shared; need not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own: Path | None = None
        self._lock: int | None = None
        try:
            _remove_abandoned(root)
        except OSError as error:
            log.warning("what ended processes have parked cannot be removed", directory=str(root), error=str(error))

    def path(self, name: str) -> Path:
        """Where a file of this process may be written.

        Raises:
            OSError: the directory cannot be made.
        """
        if self._own is None:
            self._lock, self._own = _claimed(self._root)
        return self._own / name

    def close(self) -> None:
        """Remove it with all that is in it."""
        if self._own is None or self._lock is None:
            return
        shutil.rmtree(self._own, ignore_errors=True)
        _lock_of(self._own).unlink(missing_ok=True)
        os.close(self._lock)
        self._own = self._lock = None


def _claimed(root: Path) -> tuple[int, Path]:
    """A new directory and its lock, which is held. The lock is there first: without one nothing is abandoned."""
    root.mkdir(parents=True, exist_ok=True)
    while True:
        own = root / f"{uuid4().hex}{_FILES}"
        lock = os.open(_lock_of(own), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_same(lock, _lock_of(own)):  # else somebody took it for abandoned before it was held
            own.mkdir(mode=0o700)
            return lock, own
        os.close(lock)


def _remove_abandoned(root: Path) -> None:
    for path in root.glob(f"*{_LOCK}"):
        with suppress(FileNotFoundError):  # somebody else removes it
            lock = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            else:
                shutil.rmtree(path.with_suffix(_FILES), ignore_errors=True)
                path.unlink()
            finally:
                os.close(lock)


def _lock_of(own: Path) -> Path:
    return own.with_suffix(_LOCK)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
