"""``hermes cameras``: publish all cameras of a file, look through them once, and what the file may say."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from hermes_ray.cli.cameras.file import json_schema
from hermes_ray.cli.cameras.reading import read_cameras
from hermes_ray.cli.cameras.running import Changes, start_cameras
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.keeper import StandingKeeper
from hermes_ray.cli.cameras.standing.naming import owner_of
from hermes_ray.cli.cameras.standing.places import chosen_place, over_http
from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import ApiKeyFile, AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, result_console, write_json
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import API_URL_VARIABLE, LogSettings, Settings
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.video.codec import DecodeLimits

log = get_logger("hermes_ray.cameras")

_TICK_S = 0.5
_CHECK_S = 15.0
_QUIET = LogSettings(level="ERROR")
"""A log line would tear the live table apart."""

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file of cameras.", show_default=False)]
CheckSeconds = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds for all cameras together.")]

cameras = typer.Typer(help="Publish all cameras of one file.", no_args_is_help=True)


@cameras.command()
def run(
    path: File,
    bootstrap: Bootstrap = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics at this port; by default nowhere.")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address to serve them at.")] = "127.0.0.1",
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Publish this process's share only, where N processes have the same file: 0/3, 1/3 and 2/3.",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar=API_URL_VARIABLE,
            help="Base URL of the HTTP API, for standing questions in the file (default: the file's own api.url).",
        ),
    ] = None,
    api_key_file: ApiKeyFile = None,
    owner: Annotated[
        str | None,
        typer.Option(
            "--owner",
            metavar="NAME",
            help="Whose standing questions these are; the same for all who share the file (default: this machine and "
            "the file's path).",
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Look through every camera once, and end.")] = False,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Publish all cameras until Ctrl-C, and follow the file: cameras come, go and change as it does.

    A camera that fails is started again after a while, whatever the others do. Standing questions in the file are made
    through the HTTP API, and kept as the file has them.
    """
    settings = load_settings(config_file, assignments, bootstrap).settings
    share = WHOLE_FILE if shard is None else Shard.parse(shard)
    place_of = over_http(url, api_key_file, path.absolute().parent)
    file = read_cameras(path)  # what is wrong there is told before anything is connected
    chosen_place(file, place_of)
    if check:
        _check(path, settings, _CHECK_S, share, as_json=False)
        return
    console = progress_console()
    configure_logs(_QUIET if console.is_terminal else settings.log)
    if share.count > 1:
        mine = len(file.entries(share))
        log.info("publishing a share of the cameras", shard=str(share), cameras=mine, of=len(file.cameras))
    with Lifecycle(console.print) as lifecycle:
        standing = StandingKeeper(owner_of(owner, path), place_of, share)
        supervisor = start_cameras(path, settings, lifecycle, standing, share)
        if metrics_port is not None:
            from hermes_ray.cli.cameras.metrics import serve_metrics

            lifecycle.at_end(serve_metrics(supervisor, metrics_host, metrics_port))
        if console.is_terminal:
            from hermes_ray.cli.cameras.table import cameras_table

            with Live(console=console, auto_refresh=False) as live:

                def show() -> None:
                    supervisor.tick()
                    table = cameras_table(
                        supervisor.statuses(), supervisor.file_error, time.time() * 1000, supervisor.standing_status()
                    )
                    live.update(table, refresh=True)

                lifecycle.wait_until_stopped(show, _TICK_S)
        else:
            changes = Changes()
            lifecycle.wait_until_stopped(lambda: changes.follow(supervisor), _TICK_S)


@cameras.command()
def check(
    path: File,
    timeout: CheckSeconds = _CHECK_S,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Look through every camera once, all at the same time, and show what was seen. Needs no Kafka."""
    _check(path, load_settings(config_file, assignments).settings, timeout, WHOLE_FILE, as_json=as_json)


@cameras.command()
def schema() -> None:
    """Write the JSON Schema of the file, for editors."""
    write_json(json_schema())


def _check(path: Path, settings: Settings, timeout_s: float, shard: Shard, *, as_json: bool) -> None:
    from hermes_ray.cli.cameras.check import check_cameras

    configure_logs(_QUIET)
    entries = read_cameras(path).entries(shard)
    limits = DecodeLimits.from_settings(settings.video)
    with progress_console().status(f"looking through {len(entries)} cameras"):
        findings = check_cameras(entries, path.absolute().parent, limits, timeout_s)
    if as_json:
        write_json(
            {
                "cameras": [
                    {
                        "name": found.name,
                        "ok": found.error is None,
                        "size": found.size,
                        "published": found.shown,
                        "fps": found.fps,
                        "codec": found.codec,
                        "error": found.error,
                    }
                    for found in findings
                ]
            }
        )
    else:
        table = Table("camera", "size", "published", "fps", "codec", box=None, padding=(0, 2, 0, 0))
        table.columns[0].overflow = "fold"
        console = result_console()
        for found in findings:
            if found.error is None:
                fps = "-" if found.fps is None else f"{found.fps:g}"
                table.add_row(escape(found.name), _size(found.size), _size(found.shown), fps, found.codec or "-")
        if table.row_count:
            console.print(table)
        for found in findings:
            if found.error is not None:
                console.print(f"[red]{escape(found.name)}:[/] {escape(found.error)}", soft_wrap=True)
    failed = sum(found.error is not None for found in findings)
    if failed:
        raise CommandFailed(f"{failed} of {len(findings)} cameras show nothing")


def _size(size: tuple[int, int] | None) -> str:
    return "-" if size is None else f"{size[0]}x{size[1]}"
