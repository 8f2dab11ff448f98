"""Video-MME without subtitles (arXiv 2405.21075; github.com/MME-Benchmarks/Video-MME).

The prompt is that of its README. The answer is found in the response as its scoring script finds it, known here from
the copies in other evaluation code. The protocol leaves the choice of frames to the model: here the whole video is
watched at ReKV's rate, then asked about.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from hermes_ray.bench.public.datasets.annotations import Entry, by_video, load_entries
from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName, Item, Video

_ANNOTATIONS = "test.json"
_DURATIONS = ("short", "medium", "long")
_TASKS = (
    *("Temporal Perception", "Spatial Perception", "Attribute Perception", "Action Recognition", "Object Recognition"),
    *("OCR Problems", "Counting Problem", "Temporal Reasoning", "Spatial Reasoning", "Action Reasoning"),
    *("Object Reasoning", "Information Synopsis"),
)
# The published prompt, word for word.
_PROMPT = """Select the best answer to the following multiple-choice question based on the video. \
Respond with only the letter (A, B, C, or D) of the correct option.
{question}
{options}
The best answer is:"""
_PREAMBLES = ("best answer", "correct answer", "answer", "best option", "correct option", "option")
_PREAMBLE = re.compile(rf"(?:the )?(?:{'|'.join(_PREAMBLES)})(?: is|:)?", re.IGNORECASE)


def read(directory: Path) -> list[Video]:
    """Videos of a data directory: ``test.json`` and ``data/``.

    Raises:
        DatasetError: the annotations are missing or not as published.
    """
    entries = load_entries(directory / _ANNOTATIONS)
    return by_video(item for entry in entries for item in _items(entry, directory / "data"))


def is_right(item: Item, response: str) -> bool:
    """Whether the first of the letters A to D behind a preamble such as "The best answer is" is the right one."""
    found = re.search("[ABCD]", _PREAMBLE.sub("", response))
    return found is not None and found[0] == item.answer


def _items(row: Entry, videos: Path) -> Iterator[tuple[str, Path, Item]]:
    name, question = row.text("videoID"), row.text("question")
    item = Item(
        key=row.text("question_id"),
        at_s=math.inf,
        split=row.one_of("duration", _DURATIONS),
        task=row.one_of("task_type", _TASKS),
        prompt=_PROMPT.format(question=question, options="\n".join(row.texts("options"))),
        answer=row.one_of("answer", "ABCD"),
        question=question,
    )
    yield name, videos / f"{name}.mp4", item


VIDEOMME = Dataset(
    name=DatasetName.VIDEOMME,
    source="github.com/MME-Benchmarks/Video-MME, arXiv 2405.21075",
    annotations=_ANNOTATIONS,
    fps=0.5,
    max_tokens=128,
    tasks=dict.fromkeys(_DURATIONS, _TASKS),
    averaged="items",
    read=read,
    is_right=is_right,
)
