"""``hermes up``: the whole system against a Kafka that exists, in the foreground."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, write_json_line
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.data_directory import remembering
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import check_broker, check_snapshots, start_system, with_own_broker
from hermes_ray.config import Settings
from hermes_ray.observability.logs import configure_logs


def up(
    bootstrap: Bootstrap = None,
    cameras: Annotated[
        Path | None,
        typer.Option(
            "--cameras",
            metavar="FILE",
            help="Publish the cameras of this file too; without --bootstrap, to a broker here.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Remember in this directory, across restarts; with --cameras by default in one below your home.",
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port of the HTTP API; 0 picks one.")] = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Start everything, stay in the foreground, end cleanly on Ctrl-C or SIGTERM.

    With --cameras and no broker named anywhere, also a broker: in memory, on this machine. What was seen is remembered.

    Joins the Ray cluster that cluster.address (or RAY_ADDRESS) names, or else starts one on this machine. With --json:
    one line with the URL, once it is ready.
    """
    loaded = load_settings(config_file, [*(assignments or ()), *_port(port)], bootstrap)
    console = progress_console()
    stdout = sys.stdout
    configure_logs(loaded.settings.log)
    if cameras is not None:
        from hermes_ray.cli.cameras.reading import read_cameras  # loads codecs, which nothing else here needs

        read_cameras(cameras)  # what is wrong there is told before anything is started
    steps = Steps(console)
    with Lifecycle(console.print) as lifecycle:
        is_for_here = cameras is not None or data is not None
        settings = remembering(loaded, data, lifecycle, steps) if is_for_here else loaded.settings
        if cameras is not None and loaded.sources["kafka.bootstrap_servers"] == "default":
            settings = with_own_broker(settings, lifecycle, steps)
        with steps.step(f"looking for Kafka at {settings.kafka.bootstrap_servers}"):
            check_broker(settings.kafka)
        with steps.step(f"trying to store snapshots: {settings.snapshots.url}"):
            check_snapshots(settings.snapshots)
        url = start_system(settings, lifecycle, steps, loaded.named_by("cluster.address"))
        console.print(f"ready after {steps.elapsed_s:.0f} s: {url}  [dim](docs at {url}/docs; Ctrl-C ends it)[/]")
        console.print(f"see it in a browser: {url}/", soft_wrap=True)
        if as_json:
            write_json_line({"event": "ready", "url": url, "elapsed_s": round(steps.elapsed_s, 3)}, stdout)
        if cameras is None:
            lifecycle.wait_until_stopped()
        else:
            _publish_until_stopped(cameras, settings, lifecycle)
        console.print("stopping")


def _publish_until_stopped(cameras: Path, settings: Settings, lifecycle: Lifecycle) -> None:
    from hermes_ray.cli.cameras.running import Changes, start_cameras
    from hermes_ray.cli.cameras.standing.keeper import StandingKeeper
    from hermes_ray.cli.cameras.standing.naming import owner_of
    from hermes_ray.cli.cameras.standing.places import ClusterPlace

    standing = StandingKeeper(owner_of(None, cameras), lambda _: ClusterPlace(settings))
    supervisor, changes = start_cameras(cameras, settings, lifecycle, standing), Changes()
    lifecycle.wait_until_stopped(lambda: changes.follow(supervisor))


def _port(port: int | None) -> list[str]:
    return [] if port is None else [f"api.port={port}"]
