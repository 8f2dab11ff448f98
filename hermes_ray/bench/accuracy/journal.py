"""What a long comparison has done already, in a file that a later run goes on from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hermes_ray.bench.accuracy.sitting import Outcome
from hermes_ray.errors import ConfigError

Unit = tuple[int, str, float]
"""The number of a batch of streams, a policy and a budget in percent."""


class Journal:
    """JSON lines: what is being compared, then one line for each finished unit.

    A line that a dying process left unfinished is dropped, and its unit done again.

    Args:
        path: created if it is not there.
        about: everything that decides outcomes; a file about something else is refused.

    Raises:
        ConfigError: the file is about another comparison, or no such file.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self._about = json.loads(json.dumps(about))
        self.done: dict[Unit, list[Outcome]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read()
        else:
            self._append(self._about)

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """Write down that a unit is finished."""
        batch, policy, percent = unit
        answers = [asdict(outcome) for outcome in outcomes]
        self._append({"batch": batch, "policy": policy, "budget_percent": percent, "outcomes": answers})

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _read(self) -> None:
        whole, _, unfinished = self._path.read_text(encoding="utf-8").rpartition("\n")
        try:
            about, *lines = [json.loads(line) for line in whole.splitlines()]
            if about != self._about:
                difference = _differences(about, self._about)
                raise ConfigError(f"--resume: {self._path} is about another comparison ({difference}); name a new file")
            for line in lines:
                unit = (line["batch"], line["policy"], line["budget_percent"])
                self.done[unit] = [Outcome(**outcome) for outcome in line["outcomes"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"--resume: {self._path} is not a file of this command; name a new one") from error
        if unfinished:
            self._path.write_text(whole + "\n", encoding="utf-8")


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key}: {theirs.get(key)} there, {ours.get(key)} here" for key in keys)
