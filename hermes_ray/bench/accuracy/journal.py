"""What a long comparison has done already, in a file that a later run goes on from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.errors import ConfigError


class Unit(NamedTuple):
    """Some streams under one policy: what is done in one go.

    Attributes:
        seeds: of the streams.
        policy: name in the results.
        budget_percent: of the streams' visual tokens.
        settings: of the memory, as JSON. What a policy does with them is not in it: after a change of its code or of a
            preset begin a new journal.
    """

    seeds: tuple[int, ...]
    policy: str
    budget_percent: float
    settings: str


class Journal:
    """JSON lines: what all units have in common, then one line for each that is finished.

    A line that a dying process left unfinished is dropped, and its unit done again. A larger comparison, of more
    streams, budgets or policies, may go on from the file of a smaller one.

    Args:
        path: created if it is not there.
        about: everything beside the unit that decides outcomes; a file about something else is refused.

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
        self._append({**unit._asdict(), "outcomes": [asdict(outcome) for outcome in outcomes]})

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
                outcomes = [Outcome(**outcome) for outcome in line.pop("outcomes")]
                self.done[Unit(**{**line, "seeds": tuple(line["seeds"])})] = outcomes
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"--resume: {self._path} is not a file of this command; name a new one") from error
        if unfinished:
            self._path.write_text(whole + "\n", encoding="utf-8")


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key}: {theirs.get(key)} there, {ours.get(key)} here" for key in keys)
