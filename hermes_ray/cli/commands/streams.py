"""``hermes streams``: every stream, how far it is, and what its memory holds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from hermes_ray.cli.console.completion import complete_stream
from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, AsJson, Url
from hermes_ray.cli.console.output import (
    progress_console,
    result_console,
    write_json,
    write_json_line,
)
from hermes_ray.cli.console.streams_table import StreamsTable
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.errors import ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.schemas.streams import StreamResponse

_ALL_COLUMNS = 10_000
"""Wider than any table, characters."""

streams = typer.Typer(help="List and configure the streams; empty, forget, export or import their memories.")


@streams.callback(invoke_without_command=True)
def list_streams(
    context: typer.Context,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between refreshes.")] = 1.0,
    as_json: AsJson = False,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="PATTERN", help="Only these ids, such as 'dock-*'. Repeatable."),
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these states, such as silent or behind. Repeatable.")
    ] = None,
    worker: Annotated[
        list[str] | None, typer.Option("--worker", metavar="NAME", help="Only of these workers. Repeatable.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME[=VALUE]", help="Only with this label. Repeatable: all of them."),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="id, lag, age or frames_seen; with - before it the largest first.")
    ] = "id",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many at most.")] = None,
) -> None:
    """List the streams. With --watch --json: one JSON line per refresh."""
    if context.invoked_subcommand is not None:
        for name in context.params:  # they would count for nothing
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise ConfigError(
                    f"--{name.removeprefix('as_').replace('_', '-')} is for the list here; write options of "
                    f"{context.invoked_subcommand} behind it"
                )
        return
    from hermes_ray.cli.running.connection import connect
    from hermes_ray.client import StreamWishes

    wanted = StreamWishes(id=like or (), state=state or (), worker=worker or (), label=label or (), sort=sort)
    with connect(url, api_key_file) as client:
        if watch:
            _watch(lambda: client.streams(limit=limit, **wanted), interval, as_json)
        elif as_json:
            write_json(_as_json(client.streams(limit=limit, **wanted)))
        else:
            _show(client.streams(limit=limit, **wanted))


@streams.command()
def reset(
    names: Annotated[
        list[str], typer.Argument(metavar="STREAM...", help="Whose memories to empty.", autocompletion=complete_stream)
    ],
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Forget all that a stream has seen, for good, its snapshots included; it goes on with its next frame.

    For a memory that is of no use any more, such as after a camera was hung up elsewhere.
    """
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        done = [client.reset(name) for name in names]
    if as_json:
        write_json({"streams": [stream.model_dump() for stream in done]})
    else:
        for stream in done:
            result_console().print(f"{stream.id}: empty memory on {stream.worker}", markup=False)


@streams.command()
def forget(
    names: Annotated[
        list[str], typer.Argument(metavar="STREAM...", help="Which streams to forget.", autocompletion=complete_stream)
    ],
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Forget streams and all that is kept of them, for good: memories, snapshots, conversations.

    What was published of them before never comes back. Frames that come later begin new streams, so stop the cameras
    first.
    """
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        left = {name: found.left_on if (found := client.forget(name)) else None for name in names}
    if as_json:
        write_json({"streams": [{"id": name, "left_on": where} for name, where in left.items()]})
    else:
        for name, where in left.items():
            rest = f", except for what is left on {where} until that can be reached" if where else ""
            result_console().print(f"{name}: forgotten{rest}", markup=False, soft_wrap=True)


@streams.command("set")
def configure(
    name: Annotated[
        str, typer.Argument(metavar="STREAM", help="What to set for which stream.", autocompletion=complete_stream)
    ],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=VALUE", help="A label; NAME= removes it. Repeatable."),
    ] = None,
    fps: Annotated[
        str | None, typer.Option("--fps", metavar="NUMBER|default", help="Frames per second that sampling keeps.")
    ] = None,
    retention_days: Annotated[
        str | None,
        typer.Option("--retention-days", metavar="NUMBER|default", help="Silence after which the stream is forgotten."),
    ] = None,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Set labels, sampling rate or retention of one stream. They survive restarts and moves."""
    from hermes_ray.cli.running.connection import connect
    from hermes_ray.client import StreamChange

    change = StreamChange()
    if label:
        change["labels"] = dict(_label(one) for one in label)
    if fps is not None:
        change["fps"] = _number("--fps", fps)
    if retention_days is not None:
        change["retention_days"] = _number("--retention-days", retention_days)
    if not change:
        raise ConfigError("nothing to set: name at least one of --label, --fps and --retention-days")
    with connect(url, api_key_file) as client:
        stream = client.configure(name, **change)
    if as_json:
        write_json(stream.model_dump(mode="json"))
    else:
        labels = ", ".join(f"{key}={value}" for key, value in stream.labels.items()) or "no labels"
        rate = "the default rate" if stream.fps is None else f"{stream.fps:g} frames a second"
        days = "the default retention" if stream.retention_days is None else f"retention {stream.retention_days:g} days"
        result_console().print(f"{name}: {labels}; {rate}; {days}", markup=False, soft_wrap=True)


@streams.command("export")
def export_memory(
    name: Annotated[
        str, typer.Argument(metavar="STREAM", help="Whose memory to write to a file.", autocompletion=complete_stream)
    ],
    file: Annotated[Path | None, typer.Argument(help="Where to (default: STREAM.hermes-memory.safetensors).")] = None,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a stream's memory to a file, for `hermes streams import` here or on another system. The stream goes on."""
    from hermes_ray.cli.running.connection import connect
    from hermes_ray.cli.running.file_parts import write_whole

    target = file or Path(f"{name}.hermes-memory.safetensors")
    with connect(url, api_key_file) as client:
        size = write_whole(target, client.export_memory(name))
    if as_json:
        write_json({"id": name, "file": str(target), "bytes": size})
    else:
        result_console().print(f"{name}: {size} bytes in {target}", markup=False, soft_wrap=True)


@streams.command("import")
def import_memory(
    name: Annotated[
        str, typer.Argument(metavar="STREAM", help="The stream that gets the memory.", autocompletion=complete_stream)
    ],
    file: Annotated[Path, typer.Argument(help="What `hermes streams export` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="The stream may have a memory, which is lost.")] = False,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Begin a stream with a memory from a file. It can be asked at once; frames that come later go on in it."""
    from hermes_ray.cli.running.connection import connect
    from hermes_ray.cli.running.file_parts import parts_of

    with connect(url, api_key_file) as client:
        done = client.import_memory(name, parts_of(file), replace=replace)
    if as_json:
        write_json(done.model_dump())
    else:
        result_console().print(f"{name}: imported, on {done.worker}", markup=False)


def _label(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--label {text}: write NAME=VALUE, or NAME= to remove it")
    return name, value or None


def _number(option: str, text: str) -> float | None:
    try:
        return None if text == "default" else float(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text}: write a number, or default") from error


def _as_json(found: Sequence["StreamResponse"]) -> dict[str, Any]:
    return {"streams": [stream.model_dump(mode="json") for stream in found]}


def _show(found: Sequence["StreamResponse"]) -> None:
    console = result_console()
    if not console.is_terminal:  # whatever reads it has room for every column
        console.width = _ALL_COLUMNS
    console.print(StreamsTable(found))


def _watch(look: Callable[[], Sequence["StreamResponse"]], interval: float, as_json: bool) -> None:
    console = progress_console()
    with Lifecycle(console.print) as lifecycle:
        if as_json:
            lifecycle.wait_until_stopped(lambda: write_json_line(_as_json(look())), interval)
            return
        results = result_console()
        if not results.is_terminal:
            lifecycle.wait_until_stopped(lambda: _show(look()), interval)
            return
        # A screen of its own is written over; below the prompt each table would be wiped before the next, and flicker.
        with Live(console=results, auto_refresh=False, screen=True) as live:
            lifecycle.wait_until_stopped(lambda: live.update(StreamsTable(look()), refresh=True), interval)
