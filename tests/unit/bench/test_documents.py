"""What programs read: the JSON documents keep to the published schemas."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hermes_ray.bench.figures import Figure, report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.memory import footprint
from hermes_ray.bench.memory.workload import large_workload, small_workload
from hermes_ray.cli.main import app

_RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def test_memory_figures_keep_to_their_schema(memory_figures: list[Figure], check_schema: Callable[[str, Any], None]):
    document = json.loads(json.dumps(report(describe_machine(), memory_figures, quick=True, seconds=1.0)))
    check_schema("memory", document)
    names = {(figure["model"], figure["name"]) for figure in document["figures"]}
    assert len(names) == len(document["figures"])
    assert all((f["bar"] is None) == (f["passed"] is None) for f in document["figures"])


def test_the_slab_is_as_large_as_the_formula_says():
    for workload in (small_workload(), large_workload(layers=2, vocabulary=100, budget=400)):
        (figure,) = footprint.measure(workload)
        assert figure.passed
        assert figure.detail["slab_bytes"] > 0


def test_accuracy_command_writes_a_document_of_its_schema(check_schema: Callable[[str, Any], None], tmp_path: Path):
    file, picture = tmp_path / "accuracy.json", tmp_path / "accuracy.png"
    command = "bench accuracy --model hermes-tiny-random --streams 2 --frames 24 --budget 25 --workers 1"
    chosen = "--policy hermes --policy sink_window --policy full"
    result = CliRunner().invoke(app, [*f"{command} {chosen}".split(), "--json", str(file), "--picture", str(picture)])
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    check_schema("accuracy", document)
    assert [(r["policy"], r["budget_percent"]) for r in document["results"]] == [
        ("hermes", 25),
        ("sink_window", 25),
        ("full", 100),
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_policy_is_wrong_usage():
    result = CliRunner().invoke(app, ["bench", "accuracy", "--model", "hermes-tiny-random", "--policy", "lru"])
    assert result.exit_code == 2


@pytest.mark.parametrize("file", sorted(_RESULTS.rglob("*.json")), ids=lambda file: file.stem)
def test_published_results_keep_to_their_schema(file: Path, check_schema: Callable[[str, Any], None]):
    document = json.loads(file.read_text(encoding="utf-8"))
    check_schema(document["schema"].removeprefix("hermes-bench-").partition("/")[0], document)
