"""OVO-Bench: backward tracing, real-time perception, forward responding (arXiv 2501.05510; JoeLeelyf/OVO-Bench).

Prompts are those of ``constant.py``, question times those of ``utils/chunk_videos.py``, scoring that of
``utils/OVOBenchScore.py``. The published code cuts a clip for every question; here each video is watched once.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from hermes_ray.bench.public.datasets.annotations import Entry, by_video, load_entries
from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName, Item, Video, letter

_ANNOTATIONS = "ovo_bench_new.json"
_TASKS = {
    "real-time": ("OCR", "ACR", "ATR", "STU", "FPD", "OJR"),
    "backward": ("EPM", "ASI", "HLD"),
    "forward": ("REC", "SSR", "CRR"),
}
_SPLIT_OF = {task: split for split, tasks in _TASKS.items() for task in tasks}
_NO_AND_YES = ("No", "Yes")
# The published prompts, word for word, with the spaces at the ends of lines.
_CHOICE = (
    "\nQuestion: {}\nOptions:\n{}\n\n"
    "Respond only with the letter corresponding to your chosen option (e.g., A, B, C). \n"
    "Do not include any additional text or explanation in your response.\n"
)
_REC = (
    "\nYou're watching a video in which people may perform a certain type of action repetively. \n"
    "The person performing this kind of action are referred to as 'they' in the following statement.\n"
    "You're task is to count how many times have different people in the video perform this kind of action in total.\n"
    "One complete motion counts as one. \n"
    "Now, answer the following question: {}\n"
    "Provide your answer as a single number (e.g., 0, 1, 2, 3…) indicating the total count.\n"
    "Do not include any additional text or explanation in your response.\n"
)
_SSR = (
    "\nYou're watching a tutorial video which contain a sequential of steps. \n"
    "The following is one step from the whole procedures: \n{}\n"
    "Your task is to determine if the man or woman in the video is currently performing this step.\n"
    "Answer only with “Yes” or “No”.\n"
    "Do not include any additional text or explanation in your response.\n"
)
_CRR = (
    "\nYou're responsible of answering questions based on the video content. \n"
    "The following question are relevant to the latest frames, i.e. the end of the video.\n{}\n"
    "Decide whether existing visual content, especially latest frames, i.e. frames that near the end of the video, "
    "provide enough information for answering the question.\n"
    "Answer only with “Yes” or “No”.\n"
    "Do not include any additional text or explanation in your response.\n"
)


def read(directory: Path) -> list[Video]:
    """Videos of a data directory: ``ovo_bench_new.json`` and ``src_videos/``.

    Raises:
        DatasetError: the annotations are missing or not as published.
    """
    videos = directory / "src_videos"
    found = []
    for entry in load_entries(directory / _ANNOTATIONS):
        name = entry.text("video")
        found += [(name, videos / name, item) for item in _items(entry)]
    return by_video(found)


def is_right(item: Item, response: str) -> bool:
    """As the published scorer has it.

    A choice or a yes-no question is right if the answer stands anywhere in the response; a count if all digits of the
    response together are the number.
    """
    if item.task == "REC":
        return "".join(re.findall(r"\d+", response)) == item.answer
    if item.split == "forward" and response == item.answer[0]:
        return True
    return item.answer in response


def _items(entry: Entry) -> Iterator[Item]:
    task = entry.one_of("task", _SPLIT_OF)
    key = f"{entry.whole('id')}"
    if _SPLIT_OF[task] != "forward":
        question, options = entry.text("question"), entry.texts("options")
        listed = "; ".join(f"{letter(index)}. {option}" for index, option in enumerate(options)) + ";"
        answer = letter(entry.whole("gt", below=len(options)))
        yield _item(key, entry, task, _CHOICE.format(question, listed), answer, question)
        return
    for test in entry.entries("test_info"):
        yield _forward(f"{key}_{test.index}", entry, test, task)


def _forward(key: str, entry: Entry, test: Entry, task: str) -> Item:
    if task == "REC":
        question = f"How many times did they {entry.text('activity')}?"
        return _item(key, test, task, _REC.format(question), f"{test.whole('count')}", question)
    question, prompt = (test.text("step"), _SSR) if task == "SSR" else (entry.text("question"), _CRR)
    answer = _NO_AND_YES[test.whole("type", below=2)]
    return _item(key, test, task, prompt.format(question), answer, question)


def _item(key: str, timed: Entry, task: str, prompt: str, answer: str, question: str) -> Item:
    at_s = float(math.ceil(timed.number("realtime")))
    return Item(key, at_s, _SPLIT_OF[task], task, prompt, answer, question)


OVO_BENCH = Dataset(
    name=DatasetName.OVO_BENCH,
    source="github.com/JoeLeelyf/OVO-Bench, arXiv 2501.05510",
    annotations=_ANNOTATIONS,
    fps=1.0,
    max_tokens=128,
    tasks=_TASKS,
    averaged="tasks",
    read=read,
    is_right=is_right,
)
