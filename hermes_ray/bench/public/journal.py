"""Which videos have been watched under which contender, and what a judge has said, so that a run can go on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from hermes_ray.bench.journal_file import JournalFile
from hermes_ray.bench.public.contenders import Contender
from hermes_ray.bench.public.protocol import Outcome
from hermes_ray.errors import ConfigError


class Unit(NamedTuple):
    """One video under one contender: what is done in one go.

    Attributes:
        video: its name.
        contender: its name.
        settings: of the contender.
    """

    video: str
    contender: str
    settings: str

    @classmethod
    def of(cls, video: str, contender: Contender) -> "Unit":
        """The unit of a video and a contender."""
        return cls(video, contender.name, contender.settings)


class Journal:
    """What is done, in memory and, if there are files, in them.

    Args:
        paths: the first is written; all are read, so that what several processes did comes together.
        about: everything beside the unit that decides outcomes; files about something else are refused.

    Raises:
        ConfigError: a file is about another run, is none of this command, or one behind the first is missing.
    """

    def __init__(self, paths: Sequence[Path], about: Mapping[str, Any]) -> None:
        for path in paths[1:]:
            if not path.is_file():
                raise ConfigError(f"--resume: there is no file {path}; only the first may be new")
        files = [JournalFile(path, about) for path in paths]
        self._file = files[0] if files else None
        self._done: dict[Unit, dict[str, Outcome]] = {}
        for file in files:
            self._read_outcomes(file)
        for file in files:  # later, for a verdict may stand in another file than what it judges
            self._read_verdicts(file)

    def outcomes(self, unit: Unit) -> list[Outcome] | None:
        """What is known of a unit; ``None`` if it has not been done."""
        return list(self._done[unit].values()) if unit in self._done else None

    def record(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        """Write down that a unit is done."""
        self._done[unit] = {outcome.key: outcome for outcome in outcomes}
        self._append({"unit": unit, "outcomes": [asdict(outcome) for outcome in outcomes]})

    def judge(self, unit: Unit, key: str, *, correct: bool, score: int) -> None:
        """Write down what the judge says of one outcome."""
        verdict = {"correct": correct, "score": score}
        self._done[unit][key] = replace(self._done[unit][key], **verdict)
        self._append({"unit": unit, "key": key, "verdict": verdict})

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.append(line)

    def _read_outcomes(self, file: JournalFile) -> None:
        try:
            for line in file.lines:
                if "outcomes" in line:
                    outcomes = [Outcome(**each) for each in line["outcomes"]]
                    self._done[Unit(*line["unit"])] = {each.key: each for each in outcomes}
        except (TypeError, KeyError) as error:
            raise file.foreign() from error

    def _read_verdicts(self, file: JournalFile) -> None:
        try:
            for line in file.lines:
                if "outcomes" not in line:
                    known, key = self._done[Unit(*line["unit"])], line["key"]
                    known[key] = replace(known[key], **line["verdict"])
        except (TypeError, KeyError) as error:
            raise file.foreign() from error
