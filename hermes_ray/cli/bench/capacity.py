"""Runs the capacity benchmark: for each setting a broker and a system of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hermes_ray import config
from hermes_ray.bench.capacity import run
from hermes_ray.bench.capacity.fleet import Fleet
from hermes_ray.bench.capacity.level import Level
from hermes_ray.bench.capacity.picture import draw
from hermes_ray.bench.capacity.plan import FULL, QUICK, Plan, Unchanged
from hermes_ray.bench.capacity.results import figures
from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.figure_tables import print_figures
from hermes_ray.cli.console.output import progress_console, result_console
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import start_system
from hermes_ray.config import LogSettings
from hermes_ray.errors import ConfigError
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics


def run_capacity(changes: Mapping[str, Any], *, quick: bool, picture: Path | None, verbose: bool) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Args:
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        picture: where to draw the levels, if anywhere.
        verbose: print what is behind each figure too.

    Raises:
        ConfigError: no matplotlib to draw with, or cameras that cannot show what is asked.
        HermesError: a system cannot be started, or does not come to rest.
    """
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    if plan.first > plan.most:
        raise ConfigError(f"--first is {plan.first}, more than --most, which is {plan.most}")
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    machine, began = describe_machine(), perf_counter()
    configure_logs(LogSettings(level="ERROR"))  # a log line would tear the bar apart
    console = progress_console()
    steps = Steps(console)
    with steps.step("filming"):
        fleet = Fleet(plan)
    measured: list[Level] = []
    for unchanged in plan.unchanged:
        with Lifecycle(console.print) as lifecycle:
            measured += _measure(plan, unchanged, fleet, lifecycle, steps)
            console.print("stopping")
    result_console().print(table(measured))
    found = list(figures(plan, measured))
    print_figures(result_console(), machine, found, verbose=verbose)
    if picture is not None:
        draw(plan, measured, picture)
    document = report(
        machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA, plan=plan, levels=measured
    )
    return document | {"picture_bytes": fleet.picture_bytes}


def _measure(plan: Plan, unchanged: Unchanged, fleet: Fleet, lifecycle: Lifecycle, steps: Steps) -> list[Level]:
    snapshots = lifecycle.enter(TemporaryDirectory(prefix="hermes-bench-", ignore_cleanup_errors=True))
    with steps.step("starting a Kafka broker"):
        broker = lifecycle.enter(EmbeddedBroker())
        settings = config.load(overrides=plan.settings(unchanged, broker.bootstrap_servers, snapshots))
        ensure_topics(settings.kafka)
    url = start_system(settings, lifecycle, steps)
    measured: list[Level] = []
    # How many levels it takes is what is to be found out: no end to count towards.
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console()) as progress:
        task = progress.add_task("", total=None)

        def doing(what: str) -> None:
            newest = f" (last: {measured[-1].cameras}, {measured[-1].too_much or 'carried'})" if measured else ""
            progress.update(task, description=what + newest)

        measured.extend(run.levels(plan, unchanged, fleet, settings, url, doing))
    return measured


def table(levels: Sequence[Level]) -> Table:
    """A line for every level, 80 columns at most."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in ("cameras", "frames/s", "new", "lag p99", "TTFT p95", "CPU ms", "over", "full"):
        table.add_column(heading, justify="right")
    for level in levels:
        row = level.to_dict()
        table.add_row(
            level.unchanged,
            str(level.cameras),
            f"{row['frames_per_s']:.0f}",
            _percent(row["encoded_share"]),
            _seconds(row["lag_p99_s"]),
            _seconds(row["ttft_p95_s"]),
            f"{sum(row['cpu_ms_per_frame'].values()):.1f}",
            level.too_much or "",
            level.full(),
        )
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2g} s"
