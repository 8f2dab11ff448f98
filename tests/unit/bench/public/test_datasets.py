"""The public benchmarks' annotations are read as published: times, prompts, right answers; what is not so is named."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from hermes_ray.bench.public.datasets.dataset import DatasetName, Item
from hermes_ray.bench.public.datasets.registry import DATASETS
from hermes_ray.errors import DatasetError
from tests.unit.bench.public import miniature


def read(name: str, folder: Path) -> dict[str, Item]:
    miniature.make(name, folder, films=False)
    return {item.key: item for video in DATASETS[DatasetName(name)].read(folder) for item in video.items}


def test_streamingbench_is_asked_with_four_lettered_options_at_its_time_stamp(tmp_path: Path):
    items = read("streamingbench", tmp_path)
    assert [item.at_s for item in items.values()] == [12, 7, 12, 5]
    listed = "Options:\nA. A car.\nB. A bus.\nC. A dog.\nD. Nothing.\n\nThe best option is:"
    assert all(item.prompt.endswith(listed) for item in items.values()), "letters are put before options without them"
    assert "\n\nQuestion: What is in view right now?\n\n" in items["0.0"].prompt
    videos = DATASETS[DatasetName.STREAMINGBENCH].read(tmp_path)
    assert [(video.path.relative_to(tmp_path).as_posix(), len(video.items)) for video in videos] == [
        ("videos/sample_1_real.mp4", 3),
        ("videos/sample_2_real.mp4", 1),
    ]


def test_ovo_bench_is_asked_at_the_end_of_the_second_and_forward_questions_again_and_again(tmp_path: Path):
    items = read("ovo-bench", tmp_path)
    assert {key: (item.at_s, item.split, item.answer) for key, item in items.items()} == {
        "7": (11, "backward", "B"),
        "8": (6, "real-time", "B"),
        "9": (500, "real-time", "B"),
        "10_0": (3, "forward", "No"),
        "10_1": (10, "forward", "Yes"),
        "11_0": (4, "forward", "No"),
        "11_1": (10, "forward", "Yes"),
        "12_0": (6, "forward", "2"),
    }
    assert "Options:\nA. a bus; B. a car; C. a dog;\n" in items["7"].prompt
    assert "How many times did they jumping?" in items["12_0"].prompt
    assert "procedures: \nput it down\n" in items["11_0"].prompt
    assert {video.path for video in DATASETS[DatasetName.OVO_BENCH].read(tmp_path)} == {
        tmp_path / "src_videos" / "COIN" / "street one.mp4",
        tmp_path / "src_videos" / "Ego4D" / "clips" / "yard.mp4",
    }


@pytest.mark.parametrize("name", ["rvs-ego", "rvs-movie"])
def test_rvs_asks_the_bare_question_at_its_end_time(name: str, tmp_path: Path):
    items = read(name, tmp_path)
    raw = json.loads((tmp_path / DATASETS[DatasetName(name)].annotations).read_text())
    expected = [(talk["end_time"], talk["question"], talk["answer"]) for e in raw for talk in e["conversations"]]
    assert [(item.at_s, item.prompt, item.answer) for item in items.values()] == expected
    assert {video.path for video in DATASETS[DatasetName(name)].read(tmp_path)} == {
        tmp_path / "videos" / f"world-{seed}.mp4" for seed in (5, 6, 7)
    }


def test_videomme_is_asked_at_the_end(tmp_path: Path):
    items = read("videomme", tmp_path)
    assert [(item.at_s, item.split, item.answer) for item in items.values()] == [
        (math.inf, "short", "C"),
        (math.inf, "long", "C"),
    ]
    end = "What is the genre of this video?\nA. News.\nB. Sports.\nC. A film.\nD. A talk.\nThe best answer is:"
    assert items["001-1"].prompt.endswith(end)


@pytest.mark.parametrize(
    ("dataset", "key", "response", "right"),
    [
        # github.com/THUNLP-MT/StreamingBench, src/data/count.py: the first character decides.
        ("streamingbench", "0.0", "B", True),
        ("streamingbench", "0.0", " B. A bus.", True),
        ("streamingbench", "0.0", "The answer is B", False),
        ("streamingbench", "0.0", "", False),
        # github.com/JoeLeelyf/OVO-Bench, utils/OVOBenchScore.py: the letter stands anywhere; case counts.
        ("ovo-bench", "8", "B. a car", True),
        ("ovo-bench", "8", "It is B.", True),
        ("ovo-bench", "8", "b", False),
        ("ovo-bench", "10_1", "Yes, enough.", True),
        ("ovo-bench", "10_1", "Y", True),
        ("ovo-bench", "10_1", "yes", False),
        ("ovo-bench", "10_0", "N", True),
        ("ovo-bench", "10_0", "Not yet", True),
        ("ovo-bench", "10_0", "nothing", False),
        ("ovo-bench", "12_0", "2 times", True),
        ("ovo-bench", "12_0", "2 of 5", False),
        ("ovo-bench", "12_0", "two", False),
        # extract_characters_regex, which evaluation code for Video-MME shares: the first letter behind a preamble.
        ("videomme", "001-1", "The best answer is C", True),
        ("videomme", "001-1", "C. A film.", True),
        ("videomme", "001-1", "Answer: (C)", True),
        ("videomme", "001-1", "B, not C", False),
        ("videomme", "001-1", "it is a film", False),
    ],
)
def test_what_is_right_is_as_the_published_scorer_has_it(
    dataset: str, key: str, response: str, right: bool, tmp_path: Path
):
    is_right = DATASETS[DatasetName(dataset)].is_right
    assert is_right is not None
    assert is_right(read(dataset, tmp_path)[key], response) is right


@pytest.mark.parametrize(
    ("dataset", "change", "said"),
    [
        ("streamingbench", {"questions": [{"task_type": "Dancing"}]}, r"entry 0, questions 0: options is missing"),
        ("streamingbench", {"video_path": 7}, r"entry 0: video_path is no text"),
        ("ovo-bench", {"task": "XYZ"}, r"entry 0: task is 'XYZ', none of OCR, ACR"),
        ("ovo-bench", {"gt": 3}, r"entry 0: gt is 3, not a whole number from 0 to 2"),
        ("ovo-bench", {"realtime": "soon"}, r"entry 0: realtime is 'soon', no number"),
        ("ovo-bench", {"options": "a, b"}, r"entry 0: options is no list of options"),
        ("rvs-ego", {"conversations": None}, r"entry 0: conversations is no list"),
        ("rvs-movie", {"conversations": ["?"]}, r"entry 0, conversations 0: is no object"),
        ("videomme", {"duration": "endless"}, r"entry 0: duration is 'endless', none of short, medium, long"),
        ("videomme", {"answer": "E"}, r"entry 0: answer is 'E', none of A, B, C, D"),
    ],
)
def test_a_wrong_annotation_is_named_with_its_file_place_and_field(
    dataset: str, change: dict[str, Any], said: str, tmp_path: Path
):
    miniature.make(dataset, tmp_path, films=False)
    file = tmp_path / DATASETS[DatasetName(dataset)].annotations
    entries = json.loads(file.read_text())
    entries[0] |= change
    file.write_text(json.dumps(entries))
    with pytest.raises(DatasetError, match=rf"{file.name}, {said}"):
        DATASETS[DatasetName(dataset)].read(tmp_path)


@pytest.mark.parametrize(
    ("task", "stamp", "options", "said"),
    [
        ("Dancing", "00:00:01", ["A. a", "B. b", "C. c", "D. d"], "task_type is 'Dancing', none of Object Recog"),
        ("Counting", "a minute", ["A. a", "B. b", "C. c", "D. d"], "time_stamp is 'a minute', no time such as"),
        ("Counting", "00:00:01", ["A. a", "B. b"], "options are 2, not 4"),
    ],
)
def test_a_wrong_question_of_streamingbench_is_named(
    task: str, stamp: str, options: list[str], said: str, tmp_path: Path
):
    question = {"question": "?", "answer": "A", "task_type": task, "time_stamp": stamp, "options": options}
    entry = {"video_path": "x.mp4", "questions": [question]}
    (tmp_path / "questions_real.json").write_text(json.dumps([entry]))
    with pytest.raises(DatasetError, match=rf"questions_real\.json, entry 0, questions 0: {said}"):
        DATASETS[DatasetName.STREAMINGBENCH].read(tmp_path)


@pytest.mark.parametrize("content", [None, "no JSON", "{}", "[]", "[1]"])
def test_annotations_that_are_missing_or_something_else_are_refused_by_name(content: str | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "test.json").write_text(content)
    with pytest.raises(DatasetError, match=r"test\.json"):
        DATASETS[DatasetName.VIDEOMME].read(tmp_path)
