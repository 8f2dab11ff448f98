"""Which batches of streams have been evaluated under which policy, so that a run can go on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.bench.journal_file import JournalFile


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
    """A :class:`~hermes_ray.bench.journal_file.JournalFile` with a line for each unit.

    A larger comparison, of more streams, budgets or policies, may go on from the file of a smaller one.

    Args:
        path: created if it is not there.
        about: everything beside the unit that decides outcomes; a file about something else is refused.

    Raises:
        ConfigError: the file is about another comparison, or no such file.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._file = JournalFile(path, about)
        self.done: dict[Unit, list[Outcome]] = {}
        try:
            for line in self._file.lines:
                outcomes = [Outcome(**outcome) for outcome in line.pop("outcomes")]
                self.done[Unit(**{**line, "seeds": tuple(line["seeds"])})] = outcomes
        except (TypeError, KeyError) as error:
            raise self._file.foreign() from error

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """Write down that a unit is finished."""
        self._file.append({**unit._asdict(), "outcomes": [asdict(outcome) for outcome in outcomes]})
