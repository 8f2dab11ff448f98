"""Which source ``hermes publish`` publishes and ``hermes watch`` shows: how it may be named."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hermes_ray.config import SOURCE_VARIABLE
from hermes_ray.errors import ConfigError

Source = Annotated[
    str | None,
    typer.Argument(
        help="A video file, a directory of pictures, rtsp://HOST/PATH, http://HOST/PATH (motion JPEG, or a "
        f"snapshot), /dev/video0, or sim://SEED; by default the variable {SOURCE_VARIABLE}.",
        show_default=False,
    ),
]
SourceFile = Annotated[
    Path | None,
    typer.Option("--source-file", help="Read SOURCE from this file: keeps a password out of the process list."),
]
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.1, help="Stop after this much video time.")]


def named_source(argument: str | None, file: Path | None) -> str:
    """Return the source that the command line, a file or the environment names, in this order.

    Raises:
        ConfigError: none does, two do, or the file holds something else than one line.
    """
    if argument is not None and file is not None:
        raise ConfigError("SOURCE and --source-file both name a source; give one of them")
    if file is not None:
        return _read_source(file)
    source = os.environ.get(SOURCE_VARIABLE, "") if argument is None else argument
    if not source:
        raise ConfigError(f"no source: name one as SOURCE, by --source-file, or in the variable {SOURCE_VARIABLE}")
    return source


def _read_source(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8").strip().splitlines()
    except OSError as error:
        raise ConfigError(f"--source-file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--source-file {file} is not UTF-8 text") from error
    if len(lines) != 1:
        raise ConfigError(f"--source-file {file} must hold one line, the source, and holds {len(lines)}")
    return lines[0]
