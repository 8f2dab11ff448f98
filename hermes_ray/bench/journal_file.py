"""A file of what a long benchmark has done already, which a later run goes on from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermes_ray.errors import ConfigError


class JournalFile:
    """JSON lines: what all of them have in common, then one line for each thing that is finished.

    A line that a dying process left unfinished is dropped.

    Args:
        path: created if it is not there.
        about: everything that decides results beside what a line says itself; a file about something else is refused.

    Attributes:
        lines: what the file held when it was opened.

    Raises:
        ConfigError: the file is about another run, or was not written by this class.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self._about = json.loads(json.dumps(about))
        self.lines: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read()
        else:
            self.append(self._about)

    def append(self, line: Mapping[str, Any]) -> None:
        """Write down one more thing."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def foreign(self) -> ConfigError:
        """The error that the file is none of this command."""
        return ConfigError(f"--resume: {self._path} is not a file of this command; name a new one")

    def _read(self) -> None:
        try:
            whole, _, unfinished = self._path.read_text(encoding="utf-8").rpartition("\n")
            about, *self.lines = [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise self.foreign() from error
        if not all(isinstance(line, dict) for line in (about, *self.lines)):
            raise self.foreign()
        if about != self._about:
            difference = _differences(about, self._about)
            raise ConfigError(f"--resume: {self._path} is about another comparison ({difference}); name a new file")
        if unfinished:
            self._path.write_text(whole + "\n", encoding="utf-8")


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key}: {theirs.get(key)} there, {ours.get(key)} here" for key in keys)
