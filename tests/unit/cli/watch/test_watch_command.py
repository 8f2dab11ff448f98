"""``hermes watch``: what it shows, answers and writes."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hermes_ray.cli.main import app
from hermes_ray.cli.watch.moments import format_position, parse_position
from hermes_ray.errors import ConfigError
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.pseudo_terminal import PseudoTerminal
from tests.unit.watching.films import FILM_FPS, SEED, film

STREET = f"sim://{SEED}"
QUESTION = "what happened ?"


def hermes(*arguments: str | Path, typed: str = "") -> Result:
    small = ("--set", "memory.budget_tokens=126")
    result = CliRunner().invoke(app, ["watch", *map(str, arguments), *small], input=typed, env={"COLUMNS": "200"})
    assert "Traceback" not in result.output
    return result


def report(*arguments: str | Path, typed: str = "") -> dict:
    result = hermes(*arguments, "--json", typed=typed)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_film_is_asked_at_moments_and_at_its_end(tmp_path: Path):
    path = film(tmp_path / "street.mp4", seconds=8)
    asked = report(path, "--ask", QUESTION, "--ask", "hello", "--at", "0:05", "--at", "3")
    assert (asked["source"], asked["stream"], asked["model"]) == (str(path), "street", "hermes-tiny")
    assert [(answer["question"], answer["position_s"]) for answer in asked["answers"]] == [
        (QUESTION, 3.0), ("hello", 3.0), (QUESTION, 5.0), ("hello", 5.0)
    ]  # fmt: skip
    assert [answer["frames_seen"] for answer in asked["answers"]] == [7, 7, 11, 11]
    assert [bool(answer["warnings"]) for answer in asked["answers"]] == [False, True, False, True]
    assert asked["frames"] == 11  # nothing is shown that nobody asks about

    asked = report(path, "--ask", QUESTION)
    (answer,) = asked["answers"]
    assert (answer["frames_seen"], asked["frames"]) == (16, 16)
    assert {item["position_s"] for item in answer["evidence"]} <= {n / FILM_FPS for n in range(8 * FILM_FPS)}


def test_the_answer_alone_goes_to_stdout_and_the_rest_to_stderr():
    result = hermes(STREET, "--seconds", "4", "--ask", "hello")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert "at 0:03, 8 frames seen" in result.stderr
    assert "does not know the words 'hello'" in result.stderr


def test_a_directory_of_pictures_is_a_film(tmp_path: Path):
    for number, frame in enumerate(SimulatedCamera(SEED, fps=2, seconds=3).frames()):
        Image.fromarray(frame.image).save(tmp_path / f"{number}.png")
    asked = report(tmp_path, "--ask", QUESTION, "--at", "1")
    assert (asked["answers"][0]["frames_seen"], asked["answers"][0]["position_s"]) == (3, 1.0)


def test_what_lies_behind_the_end_is_answered_about_the_end_and_is_a_failure():
    result = hermes(STREET, "--seconds", "3", "--ask", QUESTION, "--at", "1", "--at", "60", "--json")
    assert result.exit_code == 1
    assert [answer["position_s"] for answer in json.loads(result.stdout)["answers"]] == [1.0, 2.5]
    assert "ended before 1:00" in result.stderr


def test_lines_of_standard_input_are_questions_and_the_rest_is_shown():
    asked = report(STREET, "--seconds", "4", "--speed", "max", typed=f"{QUESTION}\n\nwhat do you see ?\n")
    assert [answer["question"] for answer in asked["answers"]] == [QUESTION, "what do you see ?"]
    assert asked["frames"] == 8


def test_a_memory_is_written_and_asked_again_and_goes_on(tmp_path: Path):
    file = tmp_path / "street.safetensors"
    first = report(STREET, "--seconds", "6", "--ask", QUESTION, "--export", file)
    assert first["exported"] == {"file": str(file), "bytes": file.stat().st_size}
    alone = report("--import", file, "--ask", QUESTION)
    assert alone["source"] is None
    assert alone["answers"][0]["answer"] == first["answers"][0]["answer"]
    assert alone["answers"][0]["frames_seen"] == 12
    longer = report(STREET, "--import", file, "--seconds", "2", "--ask", QUESTION)
    assert (longer["frames"], longer["answers"][0]["frames_seen"]) == (4, 16)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no source"),
        ([STREET, "--at", "5"], 2, "--ask"),
        ([STREET, "--ask", QUESTION, "--at", "soon"], 2, "--at soon"),
        ([STREET, "--ask", " "], 2, "blank"),
        ([STREET, "--speed", "fast"], 2, "--speed fast"),
        ([STREET, "--speed", "0"], 2, "--speed 0"),
        ([STREET, "--export", "/no/such/place/file"], 2, "--export"),
        (["rtsp://127.0.0.1:9/x", "--ask", QUESTION], 2, "no end"),
        (["rtsp://127.0.0.1:9/x", "--speed", "2"], 2, "for recordings"),
        (["/no/such/film.mp4"], 1, "neither a file"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_is_loaded(arguments: list[str], code: int, said: str):
    result = hermes(*arguments)
    assert (result.exit_code, said in result.stderr, "loading" in result.stderr) == (code, True, False), result.stderr


def test_a_file_that_is_no_memory_and_one_that_is_no_film(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"nothing")
    result = hermes("--import", tmp_path / "file", "--ask", QUESTION)
    assert (result.exit_code, "invalid-memory" in result.stderr) == (1, True)
    result = hermes(tmp_path / "file", "--ask", QUESTION)
    assert (result.exit_code, "cannot read" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [("90", 90, "1:30"), ("1:30", 90, "1:30"), ("1:01:01.5", 3661.5, "1:01:01"), ("0", 0, "0:00")],
)
def test_positions_are_read_and_written_as_people_do(text: str, seconds: float, shown: str):
    assert (parse_position(text), format_position(seconds)) == (seconds, shown)
    assert format_position(-seconds) == (f"-{shown}" if seconds else shown)


@pytest.mark.parametrize("text", ["", "-1", "1:2:3:4", "1:-2", "1m", "nan", "1e3", ":5"])
def test_what_is_no_position_is_refused(text: str):
    with pytest.raises(ConfigError):
        parse_position(text)


def test_questions_are_typed_while_the_film_runs_on_above_the_prompt(tmp_path: Path):
    file = tmp_path / "memory"
    terminal = PseudoTerminal("watch", STREET, "--speed", "4", "--export", str(file))
    terminal.expect("> ")
    terminal.expect("\x1b7\x1b[1A\rsim://7: ")  # the line above is written anew
    terminal.type(f"{QUESTION}\n")
    terminal.expect("frames seen")
    terminal.expect("> ")
    terminal.type("?\n")
    terminal.expect("what came before the bus ?")
    terminal.expect("> ")
    terminal.expect("\x1b8")  # it reads what is typed
    terminal.type("\x04")
    assert terminal.exit_code() == 0
    assert file.stat().st_size > 0
