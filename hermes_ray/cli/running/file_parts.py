"""Files that are written as a whole or not at all, and read part by part, such as exported memories."""

from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path

from hermes_ray.errors import ConfigError

_PART_BYTES = 1024 * 1024


def write_whole(target: Path, parts: Generator[bytes, None, None]) -> int:
    """Write a file that is there as a whole or not at all; returns its size in bytes.

    Raises:
        ConfigError: it cannot be written.
        HermesError: what the parts raise.
    """
    unfinished = target.with_name(f"{target.name}.part")
    try:
        with closing(parts), unfinished.open("wb") as file:
            size = sum(file.write(part) for part in parts)
        unfinished.replace(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return size


def parts_of(source: Path) -> Iterable[bytes]:
    """A file, part by part.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with source.open("rb") as file:
            while part := file.read(_PART_BYTES):
                yield part
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error}") from error
