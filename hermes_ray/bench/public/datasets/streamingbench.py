"""StreamingBench, real-time visual understanding (arXiv 2411.03628; github.com/THUNLP-MT/StreamingBench).

Ten tasks, 2500 questions with four options about 499 videos. Prompt, question times and scoring are those of
``src/benchmark/StreamingBench.py`` and ``src/data/count.py``. The benchmark's other parts are not here: omni-source
questions need sound, sequential ones tell the right answers so far, proactive ones ask every second until a yes.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hermes_ray.bench.public.datasets.annotations import Entry, by_video, load_entries
from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName, Item, Video, letter

_ANNOTATIONS = "questions_real.json"
_SPLIT = "real-time"
_TASKS = (
    *("Object Recognition", "Causal Reasoning", "Clips Summarize", "Attribute Recognition", "Event Understanding"),
    *("Text-Rich Understanding", "Prospective Reasoning", "Spatial Understanding", "Action Recognition", "Counting"),
)
_OPTIONS = 4
# The published prompt, word for word.
_PROMPT = """You are an advanced video question-answering AI assistant. You have been provided with some frames from \
the video and a multiple-choice question related to the video. Your task is to carefully analyze the video and \
provide the best answer to question, choosing from the four options provided. Respond with only the letter \
(A, B, C, or D) of the correct option.

Question: {question}

Options:
{options}

The best option is:"""


def read(directory: Path) -> list[Video]:
    """Videos of a data directory: ``questions_real.json`` and ``videos/``.

    Raises:
        DatasetError: the annotations are missing or not as published.
    """
    entries = load_entries(directory / _ANNOTATIONS)
    return by_video(item for entry in entries for item in _items(entry, directory / "videos"))


def is_right(item: Item, response: str) -> bool:
    """Whether the response begins with the right letter."""
    return response.strip()[:1] == item.answer


def _items(entry: Entry, videos: Path) -> Iterator[tuple[str, Path, Item]]:
    # The published preparation moves all videos into one folder and makes the paths absolute.
    name = PurePosixPath(entry.text("video_path")).name
    for question in entry.entries("questions"):
        options = question.texts("options")
        if len(options) != _OPTIONS:
            question.refuse("options", f"are {len(options)}, not {_OPTIONS}")
        if not options[0].startswith("A."):
            options = [f"{letter(index)}. {option}" for index, option in enumerate(options)]
        text = question.text("question")
        item = Item(
            key=f"{entry.index}.{question.index}",
            at_s=_seconds(question),
            split=_SPLIT,
            task=question.one_of("task_type", _TASKS),
            prompt=_PROMPT.format(question=text, options="\n".join(options)),
            answer=question.one_of("answer", [letter(index) for index in range(_OPTIONS)]),
            question=text,
        )
        yield name, videos / name, item


def _seconds(question: Entry) -> float:
    parts = question.text("time_stamp").split(":")
    if not all(part.isdecimal() for part in parts):
        question.refuse("time_stamp", f"is {':'.join(parts)!r}, no time such as 00:03:10")
    return float(sum(int(part) * 60**power for power, part in enumerate(reversed(parts))))


STREAMINGBENCH = Dataset(
    name=DatasetName.STREAMINGBENCH,
    source="github.com/THUNLP-MT/StreamingBench, arXiv 2411.03628",
    annotations=_ANNOTATIONS,
    fps=1.0,
    max_tokens=128,
    tasks={_SPLIT: _TASKS},
    averaged="items",
    read=read,
    is_right=is_right,
)
