"""Runs the accuracy benchmark."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from hermes_ray.bench.accuracy import run as accuracy
from hermes_ray.bench.accuracy.evaluation import Stopwatch
from hermes_ray.bench.accuracy.footage import Footage
from hermes_ray.bench.accuracy.journal import Journal
from hermes_ray.bench.accuracy.picture import draw
from hermes_ray.bench.accuracy.scores import results
from hermes_ray.bench.accuracy.variants import Variant, policy_names
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.peers.streams import PEERS
from hermes_ray.cli.bench.progress import count_progress
from hermes_ray.cli.bench.score_tables import print_footage, print_scores
from hermes_ray.cli.console.output import result_console
from hermes_ray.errors import ConfigError
from hermes_ray.video.world import Condition

_QUICK = {"streams": 4, "budgets_percent": (12.0,), "moments": 6, "batch": 4}


def run_accuracy(
    model: str,
    changes: Mapping[str, Any],
    footage: Footage,
    *,
    quick: bool,
    workers: int | None,
    picture: Path | None,
    resume: Path | None,
    verbose: bool,
) -> dict[str, Any]:
    """Compare and print; return the JSON document.

    Raises:
        ConfigError: no such policy or condition, no matplotlib to draw with, or ``resume`` is about another comparison.
        MissingWeights: no such model.
    """
    Condition.named(footage.condition)  # before anything is loaded
    plan = _plan(model, changes, footage, quick=quick)
    machine, began = describe_machine(), perf_counter()
    streams = accuracy.evaluation_streams(plan)
    adapter = accuracy.load_model(plan)
    compared = accuracy.plan_variants(plan, adapter)
    journal = Journal(resume, accuracy.subject(plan, adapter)) if resume else None
    speeds: dict[tuple[str, float], Stopwatch] = defaultdict(Stopwatch)
    with count_progress() as progress:

        def finished(variant: Variant, watched: Stopwatch | None) -> None:
            if watched is not None:
                speed = speeds[variant.policy, variant.budget_percent]
                speed.frames, speed.seconds = speed.frames + watched.frames, speed.seconds + watched.seconds
            progress.update(task, advance=1, description=variant.policy)

        task = progress.add_task("", total=accuracy.units(plan, streams, compared))
        outcomes = list(
            accuracy.outcomes(
                plan,
                streams,
                compared,
                workers=workers or len(os.sched_getaffinity(0)),
                finished=finished,
                journal=journal,
            )
        )
    found = results(compared, outcomes)
    print_scores(result_console(), machine, found, verbose=verbose)
    print_footage(result_console(), footage, found, speeds)
    if picture is not None:
        draw(found, picture)
    return accuracy.report(machine, plan, streams, found, quick=quick, seconds=perf_counter() - began, speeds=speeds)


def _plan(model: str, changes: Mapping[str, Any], footage: Footage, *, quick: bool) -> accuracy.Plan:
    plan = accuracy.Plan(model, **(_QUICK if quick else {}))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items() if value}
    unknown = set(given.get("policies", ())) - set(policy_names())
    if unknown:
        raise ConfigError(f"--policy: no policy {', '.join(sorted(unknown))}; there are {', '.join(policy_names())}")
    if footage.patches == "drop" and (peers := set(given.get("policies", ())) & set(PEERS)):
        raise ConfigError(f"--unchanged-patches drop: {', '.join(sorted(peers))} take whole frames only")
    return replace(plan, **given, footage=footage)
