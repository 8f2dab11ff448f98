"""A long comparison goes on where it was stopped, and with nothing that is not its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.bench.accuracy.journal import Journal, Unit
from hermes_ray.cli.main import app
from hermes_ray.errors import ConfigError

ABOUT = {"frames": 500, "weights": "abc"}
FIRST, SECOND = (Unit(seeds, "hermes", 12.0, "{}") for seeds in ((7, 8), (9,)))
OUTCOMES = [Outcome("hermes", 12.0, 7, number, "now", "where", number == 1, 90) for number in range(2)]


POLICIES = "hermes sink_window highlights"


def test_what_was_recorded_is_read_again(tmp_path: Path):
    Journal(tmp_path / "runs" / "journal", ABOUT).record(FIRST, OUTCOMES)
    assert Journal(tmp_path / "runs" / "journal", ABOUT).done == {FIRST: OUTCOMES}


def test_a_line_cut_off_by_a_crash_is_forgotten_and_those_before_it_are_not(tmp_path: Path):
    file = tmp_path / "journal"
    journal = Journal(file, ABOUT)
    journal.record(FIRST, OUTCOMES)
    journal.record(SECOND, OUTCOMES)
    file.write_bytes(file.read_bytes()[:-20])
    resumed = Journal(file, ABOUT)
    assert resumed.done.keys() == {FIRST}
    resumed.record(SECOND, OUTCOMES)
    assert Journal(file, ABOUT).done.keys() == {FIRST, SECOND}


def test_a_journal_of_other_weights_is_refused_by_name(tmp_path: Path):
    Journal(tmp_path / "journal", ABOUT)
    with pytest.raises(ConfigError, match="weights: abc there, def here"):
        Journal(tmp_path / "journal", {**ABOUT, "weights": "def"})


@pytest.mark.parametrize("content", ["not a journal\n", "", '{"streams": 2}', "[]\n"])
def test_another_file_is_refused_and_left_as_it_is(content: str, tmp_path: Path):
    (tmp_path / "other").write_text(content)
    with pytest.raises(ConfigError, match="--resume"):
        Journal(tmp_path / "other", ABOUT)
    assert (tmp_path / "other").read_text() == content


def test_a_resumed_comparison_has_the_results_of_one_that_never_stopped(tmp_path: Path):
    def compare(name: str, journal: Path | None, policies: str = POLICIES) -> list[dict[str, object]]:
        command = "bench accuracy --model hermes-tiny-random --streams 2 --frames 24 --budget 25 --workers 1"
        options = [f"--resume={journal}"] if journal else []
        chosen = [f"--policy={policy}" for policy in policies.split()]
        result = CliRunner().invoke(app, [*command.split(), *chosen, *options, f"--json={tmp_path / name}"])
        assert result.exit_code == 0, result.output
        return json.loads((tmp_path / name).read_text())["results"]

    journal = tmp_path / "journal"
    whole = compare("whole.json", journal)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:2]))
    assert compare("resumed.json", journal) == whole == compare("plain.json", None)
    assert journal.read_text() == "".join(lines), "only what was missing was done again"

    fewer = tmp_path / "fewer"
    compare("fewer.json", fewer, "hermes")
    lines = fewer.read_text().splitlines(keepends=True)
    assert compare("more.json", fewer) == whole
    assert fewer.read_text().startswith("".join(lines)), "a larger comparison goes on from a smaller one"
    assert len(fewer.read_text().splitlines()) == len(lines) + 2
