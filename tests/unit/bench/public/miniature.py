"""Public benchmarks in miniature: the published file layouts, about a few seconds of the simulated camera.

``python -m tests.unit.bench.public.miniature DATASET DIR`` makes one to try ``hermes bench public`` on.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hermes_ray.video.codec import SegmentEncoder
from hermes_ray.video.world import QuestionWriter, Renderer, World

SECONDS = 14
_FPS = 4
_WIDTH, _HEIGHT = 96, 96
_OPEN_SEEDS = (5, 6, 7)
_OPEN_QUESTIONS = ("what_now", "where", "is_now")

_Films = dict[str, int]
"""Videos, relative to the data directory, and the seeds of their worlds."""


def _film(path: Path, seed: int) -> None:
    """Write a video of one simulated world."""
    renderer = Renderer(World(seed), _WIDTH, _HEIGHT)
    pictures = [renderer.render(index / _FPS) for index in range(SECONDS * _FPS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SegmentEncoder(_WIDTH, _HEIGHT, _FPS, "mp4").encode(pictures))


def _streamingbench(directory: Path) -> _Films:
    """Three questions about one video, not in the order of time, and one about another."""

    def entry(video: int, task: str, time_stamp: str, options: list[str]) -> dict[str, Any]:
        question = {
            "task_type": task,
            "question": "What is in view right now?",
            "time_stamp": time_stamp,
            "answer": "B",
            "options": options,
            "required_ability": "working memory",
        }
        path = f"./videos/sample_{video}_real.mp4"
        return {"time": "[0:00:00 - 0:00:10]", "questions": [question], "video_categories": "x", "video_path": path}

    lettered = ["A. A car.", "B. A bus.", "C. A dog.", "D. Nothing."]
    bare = ["A car.", "A bus.", "A dog.", "Nothing."]
    entries = [
        entry(1, "Object Recognition", "00:00:12", lettered),
        entry(1, "Counting", "00:07", bare),
        entry(1, "Object Recognition", "00:00:12", lettered),
        entry(2, "Clips Summarize", "00:00:05", lettered),
    ]
    _write(directory / "questions_real.json", entries)
    return {f"videos/sample_{video}_real.mp4": video for video in (1, 2)}


def _ovo_bench(directory: Path) -> _Films:
    """One video with a question of each kind, and one with a single question."""
    video, other = "COIN/street one.mp4", "Ego4D/clips/yard.mp4"
    common: dict[str, Any] = {"video": video, "question": "What came?", "answer": "a car"}
    choice = {**common, "options": ["a bus", "a car", "a dog"], "gt": 1}
    steps = [{"realtime": 4, "step": "put it down", "type": 0}, {"realtime": 9.5, "step": "put it down", "type": 1}]
    entries = [
        {**choice, "id": 7, "task": "EPM", "realtime": 11},
        {**choice, "id": 8, "task": "OCR", "realtime": 5.2},
        {**choice, "id": 9, "task": "ATR", "realtime": 500, "video": other},
        {**common, "id": 10, "task": "CRR", "test_info": [{"realtime": 3, "type": 0}, {"realtime": 10, "type": 1}]},
        {"id": 11, "task": "SSR", "video": video, "tutorial": "x", "test_info": steps},
        {"id": 12, "task": "REC", "video": video, "activity": "jumping", "test_info": [{"realtime": 6, "count": 2}]},
    ]
    _write(directory / "ovo_bench_new.json", entries)
    return {f"src_videos/{video}": 3, f"src_videos/{other}": 4}


def _rvs(annotations: str) -> Callable[[Path], _Films]:
    """Open questions of the simulated world, each 2 s behind the moment at which its answer is true."""

    def write(directory: Path) -> _Films:
        entries = []
        for seed in _OPEN_SEEDS:
            writer, rng = QuestionWriter(World(seed), np.random.default_rng(seed)), np.random.default_rng(seed)
            conversations = []
            for moment in range(2, SECONDS - 2, 2):
                asked = writer.ask(str(rng.choice(_OPEN_QUESTIONS)), float(moment))
                if asked is not None:
                    times = {"start_time": float(moment), "end_time": float(moment + 2)}
                    conversations.append({"question": asked.text, "answer": asked.answer, **times})
            path = f"data/rvs/ego/videos/world-{seed}.mp4"
            entries.append({"video_id": f"w{seed}", "video_path": path, "conversations": conversations})
        _write(directory / annotations, entries)
        return {f"videos/world-{seed}.mp4": seed for seed in _OPEN_SEEDS}

    return write


def _videomme(directory: Path) -> _Films:
    """A short and a long video."""

    def row(number: int, duration: str, task: str) -> dict[str, Any]:
        return {
            "video_id": f"00{number}",
            "duration": duration,
            "domain": "Knowledge",
            "sub_category": "Geography",
            "url": "-",
            "videoID": f"fFjv93AC{number}o8",
            "question_id": f"00{number}-1",
            "task_type": task,
            "question": "What is the genre of this video?",
            "options": ["A. News.", "B. Sports.", "C. A film.", "D. A talk."],
            "answer": "C",
        }

    _write(directory / "test.json", [row(1, "short", "OCR Problems"), row(2, "long", "Counting Problem")])
    return {f"data/fFjv93AC{number}o8.mp4": 8 + number for number in (1, 2)}


_ANNOTATIONS: dict[str, Callable[[Path], _Films]] = {
    "streamingbench": _streamingbench,
    "ovo-bench": _ovo_bench,
    "rvs-ego": _rvs("ego4d_oe.json"),
    "rvs-movie": _rvs("movienet_oe.json"),
    "videomme": _videomme,
}
NAMES = tuple(_ANNOTATIONS)


def make(name: str, directory: Path, *, films: bool = True) -> None:
    """Write one benchmark's annotations and, unless told not to, its videos."""
    for path, seed in _ANNOTATIONS[name](directory).items():
        if films:
            _film(directory / path, seed)


def _write(file: Path, entries: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(entries), encoding="utf-8")


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
