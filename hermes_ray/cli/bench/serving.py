"""Runs the serving benchmark: an engine of its own, then a system of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from rich.table import Table

from hermes_ray import config
from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.serving import run
from hermes_ray.bench.serving.level import Level
from hermes_ray.bench.serving.picture import draw
from hermes_ray.bench.serving.plan import FULL, QUICK, Plan
from hermes_ray.bench.serving.results import figures
from hermes_ray.cli.bench.figure_tables import print_figures
from hermes_ray.cli.bench.progress import count_progress
from hermes_ray.cli.console.output import progress_console, result_console
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import start_system
from hermes_ray.config import LogSettings
from hermes_ray.errors import ConfigError
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics


def run_serving(changes: Mapping[str, Any], *, quick: bool, picture: Path | None, verbose: bool) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Args:
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        picture: where to draw the levels, if anywhere.
        verbose: print what is behind each figure too.

    Raises:
        ConfigError: no matplotlib to draw with, or no level at which an engine alone can be asked.
        HermesError: the system cannot be started.
    """
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    if not plan.engine_askers:
        raise ConfigError(f"--askers {min(plan.askers)}: add a level of at most {plan.most_of_engine} to compare with")
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    machine, began = describe_machine(), perf_counter()
    configure_logs(LogSettings(level="ERROR"))  # a log line would tear the bar apart
    console = progress_console()
    with Lifecycle(console.print) as lifecycle:
        levels = _measure(plan, lifecycle, Steps(console))
        console.print("stopping")
    result_console().print(_table(levels))
    found = list(figures(plan, levels))
    print_figures(result_console(), machine, found, verbose=verbose)
    if picture is not None:
        draw(levels, picture)
    return report(
        machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA, plan=plan, levels=levels
    )


def _measure(plan: Plan, lifecycle: Lifecycle, steps: Steps) -> list[Level]:
    levels: list[Level] = []
    with count_progress() as progress:
        task = progress.add_task("", total=len(plan.engine_askers))
        for level in run.engine_levels(plan, lambda doing: progress.update(task, description=doing)):
            levels.append(level)
            progress.advance(task)
    snapshots = lifecycle.enter(TemporaryDirectory(prefix="hermes-bench-", ignore_cleanup_errors=True))
    with steps.step("starting a Kafka broker"):
        broker = lifecycle.enter(EmbeddedBroker())
        settings = config.load(overrides=plan.settings(broker.bootstrap_servers, snapshots))
        ensure_topics(settings.kafka)
    url = start_system(settings, lifecycle, steps)
    with count_progress() as progress:
        task = progress.add_task("", total=2 * len(plan.askers))
        for level in run.http_levels(plan, settings, url, lambda doing: progress.update(task, description=doing)):
            levels.append(level)
            progress.advance(task)
    return levels


def _table(levels: Sequence[Level]) -> Table:
    """A line for every level, 80 columns at most."""
    table = Table(box=None, pad_edge=False)
    table.add_column("asked")
    headings = ("askers", "answers/s", "first p50", "first p99", "refused", "amiss", "worker CPU", "HTTP CPU")
    for heading in headings:
        table.add_column(heading, justify="right")
    for level in levels:
        http = [level.cpu_ms_per_answer(process) for process in ("router", "proxy")]
        table.add_row(
            level.way,
            str(level.askers),
            f"{level.answers_per_s:.1f}",
            _ms(level.first_token_ms(50)),
            _ms(level.first_token_ms(99)),
            str(level.outcomes.refused.total()),
            str((level.outcomes.failed + level.outcomes.dropped).total()),
            _ms(level.cpu_ms_per_answer("worker")),
            _ms(sum(part for part in http if part is not None) if any(http) else None),
        )
    return table


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
