"""``hermes bench public`` on benchmarks in miniature, with the bundled model, from the annotations to the table."""

import csv
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hermes_ray.bench.public.datasets.dataset import DatasetName
from hermes_ray.bench.public.datasets.registry import DATASETS
from hermes_ray.bench.public.film import Film
from hermes_ray.cli.main import app
from tests.unit.bench.public import miniature
from tests.unit.models import families

BUDGET = 45  # five frames of the bundled model, so that memories are compacted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A benchmark's data directory; made once."""
    made: dict[str, Path] = {}

    def directory(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            miniature.make(name, made[name])
        return made[name]

    return directory


def bench(dataset: str, directory: Path, *options: str) -> Result:
    command = f"bench public --dataset {dataset} --data {directory} --device cpu --model hermes-tiny".split()
    return CliRunner().invoke(app, [*command, f"--budget={BUDGET}", *options])


def documented(dataset: str, directory: Path, file: Path, *options: str) -> dict[str, Any]:
    result = bench(dataset, directory, f"--json={file}", *options)
    assert result.exit_code == 0, result.output
    return json.loads(file.read_text())


@pytest.mark.parametrize("dataset", miniature.NAMES)
def test_every_question_is_asked_once_of_a_memory_that_has_seen_the_frames_before_its_time(
    dataset: str, data: Callable[[str], Path], check_schema: Callable[[str, Any], None], tmp_path: Path
):
    picture = tmp_path / "scores.png"
    document = documented(
        dataset,
        data(dataset),
        tmp_path / "scores.json",
        "--policies=hermes,paper,window-2",
        f"--picture={picture}",
    )
    check_schema("public", document)
    assert picture.read_bytes().startswith(b"\x89PNG")
    chosen = DATASETS[DatasetName(dataset)]
    items = {item.key: item for video in chosen.read(data(dataset)) for item in video.items}
    assert [result["contender"] for result in document["results"]] == ["hermes", "paper", "window-2"]
    for name, answers in document["answers"].items():
        assert sorted(answer["key"] for answer in answers) == sorted(items)
        for answer in answers:
            until_s = min(items[answer["key"]].at_s, miniature.SECONDS)
            before = math.ceil(until_s * chosen.fps)  # at 0 s, 1 / fps, 2 / fps ... and before that time
            assert answer["frames_seen"] == (min(2, before) if name == "window-2" else before)
            assert answer["cached_tokens"] <= (18 if name == "window-2" else BUDGET)
            assert (answer["correct"] is None) == (chosen.is_right is None)


def test_a_memory_knows_what_was_in_view_when_it_was_asked_and_a_judge_says_so(
    data: Callable[[str], Path], tmp_path: Path
):
    # It says yes to an answer in the very words of the right one, which is what the bundled model was trained to give.
    judge = tmp_path / "judge.py"
    judge.write_text(
        "import json, re, sys\n"
        "system, user = json.load(sys.stdin)['messages']\n"
        "right, said = re.search(r'Correct Answer: (.*)\\nPredicted Answer: (.*)\\n', user['content']).groups()\n"
        "print({'pred': 'yes', 'score': 5} if right == said else {'pred': 'no', 'score': 1})\n"
    )
    folder = tmp_path / "predictions"
    document = documented(
        "rvs-ego",
        data("rvs-ego"),
        tmp_path / "scores.json",
        "--policies=hermes",
        f"--judge={sys.executable} {judge}",
        f"--predictions={folder}",
    )
    (result,) = document["results"]
    with (folder / "hermes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = sum(row["answer"] == row["pred_answer"] for row in rows)
    assert len(rows) == result["items"] == result["judged"] >= 6
    assert result["overall"]["value"] == pytest.approx(right / len(rows))
    assert result["judge_score"] == pytest.approx((5 * right + 1 * (len(rows) - right)) / len(rows))
    assert right / len(rows) > 0.8, "asked at another moment, the answers would be others"


def test_a_run_goes_on_where_it_was_stopped_and_shards_come_together(data: Callable[[str], Path], tmp_path: Path):
    directory, policies = tmp_path / "data", "--policies=hermes,window"
    shutil.copytree(data("streamingbench"), directory)
    whole = documented("streamingbench", directory, tmp_path / "whole.json", policies)
    one, two = tmp_path / "one.journal", tmp_path / "two.journal"
    for shard, journal in (("1/2", one), ("2/2", two)):
        own = (policies, f"--shard={shard}", f"--resume={journal}")
        part = documented("streamingbench", directory, tmp_path / "part.json", *own)
        assert {answer["video"] for answer in part["answers"]["hermes"]} == {f"sample_{shard[0]}_real.mp4"}
    before = (one.read_bytes(), two.read_bytes())
    for video in (directory / "videos").iterdir():
        video.write_bytes(b"")  # so that nothing can be watched again
    resumed = (policies, f"--resume={one}", f"--resume={two}")
    both = documented("streamingbench", directory, tmp_path / "both.json", *resumed)
    assert (both["answers"], both["results"]) == (whole["answers"], whole["results"])
    assert (one.read_bytes(), two.read_bytes()) == before


def test_a_journal_of_another_rate_is_refused(data: Callable[[str], Path], tmp_path: Path):
    options = ("--policies=window", "--videos=1", f"--resume={tmp_path / 'journal'}")
    assert bench("videomme", data("videomme"), *options).exit_code == 0
    result = bench("videomme", data("videomme"), *options, "--fps=1")
    assert result.exit_code == 2
    assert "fps: 0.5 there, 1.0 here" in " ".join(result.output.split())


def test_a_model_that_takes_frames_in_pairs_is_asked_about_an_odd_one_too(data: Callable[[str], Path], tmp_path: Path):
    model = families.save("qwen2_5_vl", tmp_path / "model")
    document = documented(
        "ovo-bench",
        data("ovo-bench"),
        tmp_path / "s.json",
        "--policies=hermes,window-3",
        f"--model={model}",
        "--budget=200",
    )
    seen = {name: [answer["frames_seen"] for answer in own] for name, own in document["answers"].items()}
    assert seen == {"hermes": [3, 4, 6, 6, 10, 10, 11, 14], "window-3": [3] * 8}


def test_only_the_last_seconds_are_seen_if_a_context_is_given(data: Callable[[str], Path], tmp_path: Path):
    document = documented(
        "streamingbench", data("streamingbench"), tmp_path / "s.json", "--policies=hermes", "--context-seconds=6"
    )
    assert [answer["frames_seen"] for answer in document["answers"]["hermes"]] == [6, 6, 6, 5]


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("--policies=lru", 2, "no policy 'lru'"),
        ("--shard=3/2", 2, "'3/2' is not I/N"),
        ("--shard=3/9", 2, "no video is left"),
        ("--judge=cat", 2, "videomme needs no judge"),
        ("--budget=3", 2, "less than one block"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_watched(option: str, code: int, said: str, data: Callable[[str], Path]):
    result = bench("videomme", data("videomme"), option)
    assert result.exit_code == code
    assert said in " ".join(result.output.split())


def test_missing_videos_are_counted_and_the_first_is_named(tmp_path: Path):
    miniature.make("ovo-bench", tmp_path, films=False)
    result = bench("ovo-bench", tmp_path)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "2 of 2 videos are missing" in said
    assert "src_videos/COIN/street one.mp4" in said
    assert "--videos or --shard" in said


def test_a_broken_video_is_named_at_the_end_and_costs_no_other(data: Callable[[str], Path], tmp_path: Path):
    directory, journal = tmp_path / "data", tmp_path / "journal"
    shutil.copytree(data("streamingbench"), directory)
    broken = directory / "videos" / "sample_1_real.mp4"
    whole = broken.read_bytes()
    broken.write_bytes(b"no video")
    result = bench("streamingbench", directory, "--policies=hermes,window", f"--resume={journal}")
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "1 of 2 videos cannot be read" in said
    assert "sample_1_real.mp4" in said
    assert b"sample_2_real.mp4" in journal.read_bytes()
    broken.write_bytes(whole)
    (directory / "videos" / "sample_2_real.mp4").write_bytes(b"not needed again")
    document = documented(
        "streamingbench", directory, tmp_path / "s.json", "--policies=hermes,window", f"--resume={journal}"
    )
    assert document["results"][0]["items"] == 4


@pytest.mark.parametrize(
    ("reply", "said"),
    [("print('perhaps')", "reply to item"), ("raise SystemExit('no quota')", "exited with 1"), ("print({})", "reply")],
)
def test_a_judge_that_fails_costs_no_answer(reply: str, said: str, data: Callable[[str], Path], tmp_path: Path):
    judge, journal = tmp_path / "judge.py", tmp_path / "journal"
    judge.write_text(reply)
    options = ("--policies=window", "--videos=1", f"--resume={journal}", f"--judge={sys.executable} {judge}")
    result = bench("rvs-movie", data("rvs-movie"), *options)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    answered = journal.read_bytes()
    judge.write_text("print({'pred': 'no', 'score': 0})")
    document = documented("rvs-movie", data("rvs-movie"), tmp_path / "scores.json", *options)
    assert document["results"][0]["judge_score"] == 0
    assert journal.read_bytes().startswith(answered)
    assert b"outcomes" not in journal.read_bytes().removeprefix(answered)


def test_verdicts_and_answers_may_stand_in_different_files(data: Callable[[str], Path], tmp_path: Path):
    judge = tmp_path / "judge.py"
    judge.write_text("print({'pred': 'yes', 'score': 4})")
    answers, verdicts = tmp_path / "answers", tmp_path / "verdicts"
    options = ("--policies=window", "--videos=1")
    assert bench("rvs-ego", data("rvs-ego"), *options, f"--resume={answers}").exit_code == 0
    written = answers.read_bytes()
    both = (*options, f"--resume={verdicts}", f"--resume={answers}")
    missing = bench("rvs-ego", data("rvs-ego"), *options, f"--resume={answers}", f"--resume={verdicts}")
    assert (missing.exit_code, "there is no file" in missing.output) == (2, True)
    first = documented("rvs-ego", data("rvs-ego"), tmp_path / "1", *both, f"--judge={sys.executable} {judge}")
    again = documented("rvs-ego", data("rvs-ego"), tmp_path / "2", *both)
    assert again["results"][0]["judge_score"] == 4
    assert again["answers"] == first["answers"]
    assert answers.read_bytes() == written


def test_a_film_shows_no_frame_of_a_moment_or_later_and_every_frame_once(data: Callable[[str], Path]):
    film = Film(data("streamingbench") / "videos" / "sample_1_real.mp4", 2.0)
    seen = [[frame.ts_ms for frame in film.before(at_s)] for at_s in (0.0, 1.0, 1.0, 2.6, math.inf)]
    assert seen[:4] == [[0], [500], [], [1000, 1500, 2000, 2500]]
    assert seen[4] == list(range(3000, 1000 * miniature.SECONDS, 500))
