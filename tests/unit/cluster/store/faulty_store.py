"""A store that fails as foreign ones do: fsspec's own store in memory, with a fault before any call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

Fault = Callable[[str, str], None]
"""Gets an operation (``read``, ``write``, ``list``, ``remove``) and a path, and raises what the driver is to raise."""


class ForeignError(Exception):
    """No OSError: what botocore and other clients of object stores raise."""


class FaultyFileSystem(MemoryFileSystem):
    """fsspec driver for ``faulty://``."""

    protocol = "faulty"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fault: ClassVar[Fault | None] = None

    @classmethod
    @contextmanager
    def failing(cls, fault: Fault) -> Iterator[None]:
        """Fail so while the block runs."""
        cls.fault = staticmethod(fault)
        try:
            yield
        finally:
            cls.fault = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return super()._strip_protocol(str(path).removeprefix("faulty://"))

    def _meet(self, operation: str, path: str) -> None:
        if self.fault is not None:
            self.fault(operation, path)

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        self._meet("read", path)
        return super().cat_file(path, *args, **kwargs)

    def pipe_file(self, path: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        self._meet("write", path)
        super().pipe_file(path, value, *args, **kwargs)

    def ls(self, path: str, *args: Any, **kwargs: Any) -> list[Any]:
        self._meet("list", path)
        return super().ls(path, *args, **kwargs)

    def rm_file(self, path: str) -> None:
        self._meet("remove", path)
        super().rm_file(path)


register_implementation("faulty", FaultyFileSystem, clobber=True)


def on(operation: str, error: Exception, path_has: str = "") -> Fault:
    """A fault of one operation, on paths that contain a text."""

    def fault(called: str, path: str) -> None:
        if called == operation and path_has in path:
            raise error

    return fault
