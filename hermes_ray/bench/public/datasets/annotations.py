"""Reading annotation files: every value that is missing or of another kind is told with its file, place and field."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hermes_ray.bench.public.datasets.dataset import Item, Video
from hermes_ray.errors import DatasetError

_PAGE = "docs/research/public-benchmarks.md shows the layout"


@dataclass(frozen=True, slots=True)
class Entry:
    """One JSON object of an annotation file.

    Attributes:
        file: the file.
        place: where in the file, for people.
        index: its place in the list that holds it, from 0.
        values: what it holds.
    """

    file: Path
    place: str
    index: int
    values: Mapping[str, Any]

    def text(self, field: str) -> str:
        """A string, not blank."""
        value = self._value(field)
        if not isinstance(value, str) or not value.strip():
            self.refuse(field, "is no text")
        return value

    def number(self, field: str) -> float:
        """A number, 0 or more."""
        value = self._value(field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            self.refuse(field, f"is {value!r}, no number of 0 or more")
        return float(value)

    def whole(self, field: str, below: int | None = None) -> int:
        """A whole number, 0 or more and less than ``below``."""
        value = self.number(field)
        if value != int(value) or (below is not None and value >= below):
            self.refuse(
                field, f"is {value:g}, not a whole number" + ("" if below is None else f" from 0 to {below - 1}")
            )
        return int(value)

    def texts(self, field: str) -> list[str]:
        """A list of two strings or more: options."""
        value = self._value(field)
        if not isinstance(value, list) or len(value) < 2 or not all(isinstance(text, str) for text in value):
            self.refuse(field, "is no list of options")
        return value

    def one_of(self, field: str, known: Iterable[str]) -> str:
        """One of some strings."""
        value, names = self.text(field), list(known)
        if value not in names:
            self.refuse(field, f"is {value!r}, none of {', '.join(names)}")
        return value

    def entries(self, field: str) -> list["Entry"]:
        """A list of objects."""
        value = self._value(field)
        if not isinstance(value, list):
            self.refuse(field, "is no list")
        return _entries(self.file, value, f"{self.place}, {field}")

    def refuse(self, field: str, what: str) -> NoReturn:
        """Say what is wrong with a field.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(f"{self.file}, {self.place}: {field} {what}; take the file as published ({_PAGE})")

    def _value(self, field: str) -> Any:
        if field not in self.values:
            self.refuse(field, "is missing")
        return self.values[field]


def load_entries(file: Path) -> list[Entry]:
    """The objects of an annotation file, which is one JSON list.

    Raises:
        DatasetError: there is no such file, or it holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"cannot read the annotations {file}: {error.strerror}; {_PAGE}") from error
    except ValueError as error:
        raise DatasetError(f"the annotations {file} are no JSON: {error}; take the file as published") from error
    if not isinstance(content, list) or not content:
        raise DatasetError(f"the annotations {file} are no list of entries; take the file as published ({_PAGE})")
    return _entries(file, content, "entry")


def _entries(file: Path, values: list[Any], place: str) -> list[Entry]:
    for number, value in enumerate(values):
        if not isinstance(value, dict):
            raise DatasetError(f"{file}, {place} {number}: is no object; take the file as published ({_PAGE})")
    return [Entry(file, f"{place} {number}", number, value) for number, value in enumerate(values)]


def by_video(items: Iterable[tuple[str, Path, Item]]) -> list[Video]:
    """Group items by the video they are about, videos in the order in which they first come.

    Args:
        items: name and file of the video, and the item.
    """
    files: dict[str, Path] = {}
    grouped: dict[str, list[Item]] = defaultdict(list)
    for name, file, item in items:
        files[name] = file
        grouped[name].append(item)
    return [Video(name, file, tuple(grouped[name])) for name, file in files.items()]
