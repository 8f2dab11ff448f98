"""Runs the recovery benchmark, on a system of its own."""

import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from rich.markup import escape

from hermes_ray import config
from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.figures import Figure, report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.recovery import run
from hermes_ray.bench.recovery.measures import Measured
from hermes_ray.bench.recovery.picture import draw
from hermes_ray.bench.recovery.plan import FULL, QUICK, Plan
from hermes_ray.bench.statistics import median
from hermes_ray.cli.bench.figure_tables import print_figures
from hermes_ray.cli.bench.progress import time_progress
from hermes_ray.cli.console.output import progress_console, result_console
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import start_system
from hermes_ray.config import LogSettings
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics


def run_recovery(changes: Mapping[str, Any], *, quick: bool, picture: Path | None, verbose: bool) -> dict[str, Any]:
    """Measure and print; return the JSON document.

    Args:
        changes: to the plan's attributes; ``None`` leaves one as it is.
        quick: begin with the quick plan.
        picture: where to draw the distributions, if anywhere.
        verbose: print what is behind each figure too.

    Raises:
        ConfigError: no matplotlib to draw with.
        HermesError: the system cannot be started, or did not recover.
    """
    plan = replace(QUICK if quick else FULL, **{name: value for name, value in changes.items() if value is not None})
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    machine, began = describe_machine(), perf_counter()
    configure_logs(LogSettings(level="ERROR"))  # a log line would tear the bar apart
    console = progress_console()
    measured: list[Measured] = []
    counts: list[Figure] = []
    for part in plan.systems():
        with Lifecycle(console.print) as lifecycle:
            seen, count = _measure(part, lifecycle, Steps(console))
            console.print("stopping")
        measured += seen
        counts.append(count)
    found = [*run.all_figures(measured), *counts]
    print_figures(result_console(), machine, found, verbose=verbose)
    if picture is not None:
        draw(measured, picture)
    return report(
        machine, found, quick=quick, seconds=perf_counter() - began, schema=run.SCHEMA, plan=plan, faults=measured
    )


def _measure(plan: Plan, lifecycle: Lifecycle, steps: Steps) -> tuple[Sequence[Measured], Figure]:
    snapshots = lifecycle.enter(TemporaryDirectory(prefix="hermes-bench-", ignore_cleanup_errors=True))
    with steps.step("starting a Kafka broker"):
        broker = lifecycle.enter(EmbeddedBroker())
        settings = config.load(overrides=plan.settings(broker.bootstrap_servers, snapshots))
        ensure_topics(settings.kafka)
    url = start_system(settings, lifecycle, steps)
    # Ray tells of every death at length on stdout; these are ours, and the bar tells of them.
    nowhere = lifecycle.enter(Path(os.devnull).open("w"))  # noqa: SIM115 - entered
    lifecycle.enter(redirect_stdout(nowhere))
    under_test = lifecycle.enter(run.RecoveryRun(plan, settings, url))
    began, measured = perf_counter(), []
    with time_progress() as progress:
        task = progress.add_task("", total=len(list(plan.rounds())))
        for each in under_test.measure_faults(lambda doing: progress.update(task, description=doing)):
            measured.append(each)
            progress.console.print(f"[dim]{perf_counter() - began:5.0f} s[/]  {escape(_one_line(each))}")
            progress.advance(task)
    with steps.step("counting all frames"):
        return measured, under_test.last_count()


def _one_line(measured: Measured) -> str:
    taken, usual = median(list(measured.recovery_s.values())), median(list(measured.ordinary_s.values()))
    return f"{measured.fault.kind}  {measured.fault.victim}  {taken:.2f} s, ordinarily {usual:.2f} s"
