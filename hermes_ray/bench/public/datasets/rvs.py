"""RVS-Ego and RVS-Movie: open questions while a video runs (arXiv 2406.08085), as prepared for ReKV.

The videos and questions are Flash-VStream's; times, frame rate and the length of answers are those of ReKV's
``video_qa/rekv_stream_vqa.py`` (github.com/Becomebright/ReKV), on which HERMES builds. A language model judges.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from hermes_ray.bench.public.datasets.annotations import Entry, by_video, load_entries
from hermes_ray.bench.public.datasets.dataset import Dataset, DatasetName, Item, Video

_SPLIT = "open"


def read(annotations: str, directory: Path) -> list[Video]:
    """Videos of a data directory: the annotations and ``videos/``.

    Raises:
        DatasetError: the annotations are missing or not as published.
    """
    entries = load_entries(directory / annotations)
    return by_video(item for entry in entries for item in _items(entry, directory / "videos"))


def _items(entry: Entry, videos: Path) -> Iterator[tuple[str, Path, Item]]:
    name = entry.text("video_id")
    # Published paths begin at the root of ReKV's repository.
    file = videos / PurePosixPath(entry.text("video_path")).name
    for conversation in entry.entries("conversations"):
        question = conversation.text("question")
        item = Item(
            key=f"{entry.index}.{conversation.index}",
            at_s=conversation.number("end_time"),
            split=_SPLIT,
            task="open",
            prompt=question,
            answer=conversation.text("answer"),
            question=question,
        )
        yield name, file, item


def _dataset(name: DatasetName, annotations: str) -> Dataset:
    return Dataset(
        name=name,
        source="github.com/Becomebright/ReKV, arXiv 2503.00540; questions: github.com/IVGSZ/Flash-VStream",
        annotations=annotations,
        fps=0.5,
        max_tokens=256,
        tasks={_SPLIT: ("open",)},
        averaged="items",
        read=partial(read, annotations),
        is_right=None,
    )


RVS_EGO = _dataset(DatasetName.RVS_EGO, "ego4d_oe.json")
RVS_MOVIE = _dataset(DatasetName.RVS_MOVIE, "movienet_oe.json")
