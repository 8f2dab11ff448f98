"""What a run of faults came to: a table for people, JSON for programs."""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from hermes_ray.bench.statistics import median, percentile
from tests.chaos.proof.undisturbed import GivenAnswer
from tests.chaos.proof.watching import Sight, first_at


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: of victim.
        injected: there was a victim.
        recovering: it came before the fault in front of it was recovered from.
        at_s: when, on the monotonic clock.
        newest_ms: capture time of every stream's newest record at that moment.
    """

    kind: str
    injected: bool
    recovering: bool
    at_s: float
    newest_ms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from faults of one kind to the end of what they did."""

    count: int
    min: float
    median: float
    p95: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times | None":
        """``None`` if there are none."""
        if not seconds:
            return None
        figures = min(seconds), median(seconds), percentile(seconds, 95), max(seconds)
        return cls(len(seconds), *(round(figure, 2) for figure in figures))


@dataclass(slots=True)
class Report:
    """Everything of one run.

    Attributes:
        frames_published: records, of all streams; one may be a segment of several frames.
        frames_expected: frames that sampling keeps of these.
        frames_applied: frames in the memories at the end.
        frames_missing: expected and not applied, over all streams.
        frames_duplicate: applied more often than expected.
        answers_compared: with those of an undisturbed engine; all were equal.
        events: that an undisturbed engine finds; the topic and the database had all of them, and no others.
        events_repeated: records of the topic that were there before, under the same id.
        questions: how many ended how.
        faults: what happened, in order.
    """

    seconds: float
    streams: int
    frames_published: int
    frames_expected: int
    frames_applied: int
    frames_missing: int
    frames_duplicate: int
    answers_compared: int = 0
    events: int = 0
    events_repeated: int = 0
    questions: Mapping[str, int] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)
    machine: str = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"

    @classmethod
    def of_frames(cls, seconds: float, published: int, expected: Mapping[str, int], applied: Mapping[str, int]) -> Self:
        """What became of the frames.

        Args:
            seconds: how long the run took.
            published: records, of all streams.
            expected: of every stream, frames that sampling keeps.
            applied: of every stream, frames in its memory at the end.
        """
        return cls(
            seconds=round(seconds, 1),
            streams=len(expected),
            frames_published=published,
            frames_expected=sum(expected.values()),
            frames_applied=sum(applied.values()),
            frames_missing=sum(max(0, count - applied[stream]) for stream, count in expected.items()),
            frames_duplicate=sum(max(0, applied[stream] - count) for stream, count in expected.items()),
        )

    def add_faults(
        self, faults: Iterable[Fault], sights: Mapping[str, Sequence[Sight]], answers: Sequence[GivenAnswer]
    ) -> None:
        """Work out how long each fault had an effect."""
        for fault in faults:
            applied_s, answered_s = _applied_after_s(fault, sights), _answered_after_s(fault, answers)
            described = {"kind": fault.kind, "injected": fault.injected, "recovering": fault.recovering}
            self.faults.append(described | {"applied_again_s": applied_s, "answered_again_s": answered_s})
        for kind in dict.fromkeys(fault["kind"] for fault in self.faults):
            self.kinds[kind] = _summary([fault for fault in self.faults if fault["kind"] == kind])

    def write(self, path: Path) -> None:
        """As JSON; says where it is."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        print(f"report: {path.resolve()}")

    def show(self, console: Console) -> None:
        """As a table."""
        table = Table(title=f"{len(self.faults)} faults in {self.seconds:.0f} s, {self.streams} streams")
        table.add_column("victim")
        for heading in ("faults", "injected", "while recovering"):
            table.add_column(heading, justify="right")
        table.add_column("frames again after s\nmin / median / p95 / max", justify="right")
        table.add_column("an answer again after s\nmin / median / p95 / max", justify="right")
        for kind, summary in self.kinds.items():
            counts = [str(summary[name]) for name in ("faults", "injected", "while_recovering")]
            table.add_row(kind, *counts, _cell(summary["applied_again_s"]), _cell(summary["answered_again_s"]))
        console.print(table)
        console.print(
            f"records published {self.frames_published}; frames to apply {self.frames_expected}, "
            f"applied {self.frames_applied}, missing {self.frames_missing}, duplicate {self.frames_duplicate}"
        )
        console.print(f"questions: {dict(self.questions)}")


def _applied_after_s(fault: Fault, sights: Mapping[str, Sequence[Sight]]) -> float:
    """Until of every stream a frame was applied that was published after the fault."""
    ends = [first_at(sights[stream], ts_ms + 1) for stream, ts_ms in fault.newest_ms.items()]
    return round(max(end for end in ends if end is not None) - fault.at_s, 2)


def _answered_after_s(fault: Fault, answers: Sequence[GivenAnswer]) -> float | None:
    """Until a user got an answer; to a question asked since, at the latest."""
    return next((round(answer.at_s - fault.at_s, 2) for answer in answers if answer.at_s > fault.at_s), None)


def _summary(faults: list[dict[str, Any]]) -> dict[str, Any]:
    injected = [fault for fault in faults if fault["injected"]]
    return {
        "faults": len(faults),
        "injected": len(injected),
        "while_recovering": sum(fault["recovering"] for fault in faults),
        "applied_again_s": _times(fault["applied_again_s"] for fault in injected),
        "answered_again_s": _times(fault["answered_again_s"] for fault in injected),
    }


def _times(seconds: Iterable[float | None]) -> dict[str, float] | None:
    times = Times.of([value for value in seconds if value is not None])
    return None if times is None else asdict(times)


def _cell(times: Mapping[str, float] | None) -> str:
    return "-" if times is None else " / ".join(f"{times[name]:.1f}" for name in ("min", "median", "p95", "max"))
