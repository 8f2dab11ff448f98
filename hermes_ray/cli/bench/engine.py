"""Runs the engine benchmark."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.engine import run
from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.picture import draw
from hermes_ray.bench.engine.plan import Plan, Shape, parse_parts
from hermes_ray.bench.engine.run import Done
from hermes_ray.bench.engine.subject import Subject, random_subject, real_subject
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.documents import write_document
from hermes_ray.cli.bench.figure_tables import print_figures
from hermes_ray.cli.bench.progress import count_progress
from hermes_ray.cli.console.output import result_console
from hermes_ray.config import LogSettings
from hermes_ray.observability.logs import configure_logs

_QUICK_S = 1.0


def run_engine(
    shape: Shape,
    model: str | None,
    *,
    device: str,
    dtype: str,
    budget: int | None,
    parts: str | None,
    quick: bool,
    seconds: float | None,
    seed: int,
    threads: int | None,
    json_file: Path | None,
    picture: Path | None,
    verbose: bool,
) -> dict[str, Any]:
    """Measure and print; return the JSON document, which is written behind every part too.

    Args:
        shape: of random weights.
        model: a real model instead.
        device: torch device, or auto.
        dtype: of the weights, or auto.
        budget: visual tokens per layer; ``None`` for the shape's own.
        parts: names with commas; ``None`` for all.
        quick: short measurements.
        seconds: of each measurement; ``None`` for the plan's.
        seed: of random weights and pictures.
        threads: of one torch operation; ``None`` for torch's choice.
        json_file: where the document goes.
        picture: where to draw it.
        verbose: print what is behind each figure too.

    Raises:
        ConfigError: no such part, device or dtype; no matplotlib to draw with.
        MissingWeights, UnsupportedModel: of a real model.
        CommandFailed: the document cannot be written.
    """
    plan = Plan(parts=parse_parts(parts), seed=seed)
    if quick or seconds is not None:
        plan = replace(plan, seconds=seconds or _QUICK_S)
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    if threads is not None:
        torch.set_num_threads(threads)
    configure_logs(LogSettings(level="ERROR"))  # a log line would tear the bar apart
    machine, began_s = describe_machine(), perf_counter()
    done: list[Done] = []
    with count_progress() as progress:
        task = progress.add_task("making the model", total=None)
        subject = _subject(shape, model, device=device, dtype=dtype, seed=seed, budget=budget)
        bench = Bench(subject, plan, lambda doing: progress.update(task, description=escape(doing)))
        progress.update(task, total=run.steps(bench))
        document = run.report(machine, bench, done, quick=quick, seconds=0.0)
        for part in run.measure(bench):
            done.append(part)
            progress.advance(task)
            for line in _lines(part):
                progress.console.print(f"[dim]{perf_counter() - began_s:5.0f} s[/]  {line}")
            document = run.report(machine, bench, done, quick=quick, seconds=perf_counter() - began_s)
            if json_file is not None:
                write_document(document, json_file)
    console = result_console()
    print_figures(console, machine, [figure for part in done for figure in part.figures], verbose=verbose)
    print_failures(console, done)
    if picture is not None:
        draw(document, picture)
    return document


def print_failures(console: Console, done: Sequence[Done]) -> None:
    """Print the parts that failed, if any did."""
    failed = [part for part in done if part.error is not None]
    if not failed:
        return
    table = Table(title="failed", title_justify="left", box=None, pad_edge=False)
    for heading in ("part", "mode", "error"):
        table.add_column(heading, overflow="fold")
    for part in failed:
        table.add_row(part.part, part.mode, escape(part.error or ""))
    console.print(table)


def _subject(shape: Shape, model: str | None, *, device: str, dtype: str, seed: int, budget: int | None) -> Subject:
    if model is not None:
        return real_subject(model, device=device, dtype=dtype, seed=seed, budget=budget)
    return random_subject(shape, device=device, dtype=dtype, seed=seed, budget=budget)


def _lines(part: Done) -> list[str]:
    """A part as soon as it has ended."""
    mode = f" {part.mode}" if part.mode else ""
    lines = [f"{part.part}{mode}: {figure.name} {figure.value:.4g} {figure.unit}" for figure in part.figures]
    return lines if part.error is None else [*lines, f"[red]{part.part}{mode} failed[/]: {escape(part.error)}"]
