"""``hermes look``: what a frame of a stream looked like."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hermes_ray.cli.console.completion import complete_stream
from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, Url
from hermes_ray.cli.console.output import progress_console
from hermes_ray.errors import ConfigError

_STDOUT = Path("-")


def look(
    stream: Annotated[
        str, typer.Argument(help="Stream id; `hermes streams` lists them.", autocompletion=complete_stream)
    ],
    frame: Annotated[
        int | None,
        typer.Option(min=0, help="The frame's number, as the evidence of an answer has it (default: the newest)."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write the JPEG, - for stdout (default: STREAM-FRAME.jpg)."),
    ] = None,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
) -> None:
    """Save the picture of a frame that a stream's memory still holds; the newest by default."""
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        picture = client.latest(stream) if frame is None else client.frame(stream, frame)
    path = output or Path(f"{stream}-{picture.frame}.jpg")
    if path == _STDOUT:
        typer.get_binary_stream("stdout").write(picture.jpeg)
        return
    try:
        path.write_bytes(picture.jpeg)
    except OSError as error:
        raise ConfigError(f"--output: cannot write {path}: {error.strerror}") from error
    captured = datetime.fromtimestamp(picture.captured_ms / 1000, UTC).isoformat(timespec="milliseconds")
    progress_console().print(f"{escape(str(path))}: frame {picture.frame}, captured {captured}", highlight=False)
