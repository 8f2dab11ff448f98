"""``hermes up``: the whole system against a Kafka that exists, in the foreground."""

import sys
from typing import Annotated

import typer

from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, write_json_line
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import check_broker, check_snapshots, start_system
from hermes_ray.observability.logs import configure_logs


def up(
    bootstrap: Bootstrap = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port of the HTTP API; 0 picks one.")] = None,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Start everything, stay in the foreground, end cleanly on Ctrl-C or SIGTERM.

    Joins the Ray cluster that cluster.address (or RAY_ADDRESS) names, or else starts one on this machine. With --json:
    one line with the URL, once it is ready.
    """
    loaded = load_settings(config_file, [*(assignments or ()), *_port(port)], bootstrap)
    settings = loaded.settings
    console = progress_console()
    stdout = sys.stdout
    configure_logs(settings.log)
    steps = Steps(console)
    with Lifecycle(console.print) as lifecycle:
        with steps.step(f"looking for Kafka at {settings.kafka.bootstrap_servers}"):
            check_broker(settings.kafka)
        with steps.step(f"trying to store snapshots: {settings.snapshots.url}"):
            check_snapshots(settings.snapshots)
        url = start_system(settings, lifecycle, steps, loaded.named_by("cluster.address"))
        console.print(f"ready after {steps.elapsed_s:.0f} s: {url}  [dim](docs at {url}/docs; Ctrl-C ends it)[/]")
        if as_json:
            write_json_line({"event": "ready", "url": url, "elapsed_s": round(steps.elapsed_s, 3)}, stdout)
        lifecycle.wait_until_stopped()
        console.print("stopping")


def _port(port: int | None) -> list[str]:
    return [] if port is None else [f"api.port={port}"]
