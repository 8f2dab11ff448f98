"""What every public benchmark is here: videos, questions with their times, and a rule that says what is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal


class DatasetName(StrEnum):
    """The public benchmarks, as the command line calls them."""

    STREAMINGBENCH = "streamingbench"
    OVO_BENCH = "ovo-bench"
    RVS_EGO = "rvs-ego"
    RVS_MOVIE = "rvs-movie"
    VIDEOMME = "videomme"


@dataclass(frozen=True, slots=True)
class Item:
    """One question at its time.

    Attributes:
        key: what it is called in results; no other of the dataset has it.
        at_s: seconds of video time; the memory has seen the frames before it, and the first in any case. Infinity for
            the end of the video.
        split: the part of the benchmark that it counts in.
        task: what it tests.
        prompt: all that the model reads behind the video; its chat template comes around it.
        answer: the right answer, in the form in which the dataset's rule compares it.
        question: without instructions and options; a judge is told it.
    """

    key: str
    at_s: float
    split: str
    task: str
    prompt: str
    answer: str
    question: str


@dataclass(frozen=True, slots=True)
class Video:
    """One video and what is asked about it.

    Attributes:
        name: no other of the dataset has it.
        path: the file.
        items: in the order of the annotations.
    """

    name: str
    path: Path
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One public benchmark.

    Attributes:
        name: which one.
        source: where the protocol was published.
        annotations: the annotation file, relative to the data directory.
        fps: frames per second of video time that are watched.
        max_tokens: the longest answer.
        tasks: of every split, the tasks that there are.
        averaged: what a score is the mean of. ``items``: every item counts the same; ``tasks``: a split's score is the
            mean of its tasks' shares, the overall score the mean of the splits'.
        read: videos from the data directory.
        is_right: whether a response is the right answer; ``None`` where only a judge can say.
    """

    name: DatasetName
    source: str
    annotations: str
    fps: float
    max_tokens: int
    tasks: Mapping[str, Sequence[str]]
    averaged: Literal["items", "tasks"]
    read: Callable[[Path], list[Video]]
    is_right: Callable[[Item, str], bool] | None


def letter(index: int) -> str:
    """The letter of an option: A for 0."""
    return chr(ord("A") + index)
