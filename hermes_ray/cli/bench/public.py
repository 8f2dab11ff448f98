"""Runs a public benchmark."""

import re
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from hermes_ray import models
from hermes_ray.bench.drawing import require_matplotlib
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.public import run
from hermes_ray.bench.public.contenders import contenders
from hermes_ray.bench.public.datasets.registry import DATASETS
from hermes_ray.bench.public.journal import Journal
from hermes_ray.bench.public.judge import Judge
from hermes_ray.bench.public.picture import draw
from hermes_ray.bench.public.predictions import write_predictions
from hermes_ray.bench.public.scores import results
from hermes_ray.cli.bench.progress import count_progress
from hermes_ray.cli.bench.public_tables import print_public
from hermes_ray.cli.console.output import result_console
from hermes_ray.errors import ConfigError


def run_public(
    plan: run.Plan,
    data: Path,
    *,
    device: str,
    dtype: str,
    resume: Sequence[Path],
    judge: str | None,
    predictions: Path | None,
    picture: Path | None,
    verbose: bool,
) -> dict[str, Any]:
    """Watch, ask, score and print; return the JSON document.

    Raises:
        ConfigError: no such contender, a budget that does not fit, no matplotlib, or ``resume`` is about another run.
        DatasetError: annotations or videos are missing or not as published, or the judge failed.
        MissingWeights: no such model.
    """
    dataset = DATASETS[plan.dataset]
    if dataset.is_right is not None and (judge or predictions):
        raise ConfigError(f"--judge and --predictions are for open answers; {dataset.name} needs no judge")
    if picture is not None:
        require_matplotlib()  # now, not behind a long run
    chosen_judge = Judge(judge) if judge else None
    videos = run.chosen_videos(plan, dataset, data)
    machine, began = describe_machine(), perf_counter()
    adapter = models.load(plan.model, device=device, dtype=dtype, max_pixels_per_frame=plan.max_pixels_per_frame)
    compared = contenders(plan.policies, adapter, plan.budget_tokens, plan.context_s)
    journal = Journal(resume, run.subject(plan, dataset, data, adapter))
    with count_progress() as progress:
        task = progress.add_task("", total=len(videos) * (2 if chosen_judge else 1))

        def finished(video: str) -> None:
            progress.update(task, advance=1, description=video)

        run.watch_all(plan, dataset, videos, compared, adapter, journal, finished)
        if chosen_judge:
            run.judge_all(chosen_judge, videos, compared, journal, finished)
    outcomes = run.collected(videos, compared, journal)
    if predictions is not None:
        write_predictions(predictions, videos, outcomes)
    found = results(dataset, outcomes)
    print_public(result_console(), machine, dataset, found, verbose=verbose)
    if picture is not None:
        draw(dataset, found, picture)
    return run.report(machine, plan, dataset, found, outcomes, seconds=perf_counter() - began)


def parse_shard(text: str) -> tuple[int, int]:
    """Read ``I/N``, which of how many parts.

    Raises:
        ConfigError: it is something else.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError(f"--shard: {text!r} is not I/N with I from 1 to N")
    return part, parts
