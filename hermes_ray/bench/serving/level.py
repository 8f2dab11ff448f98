"""What one level of load came to: so many askers, one way of asking."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hermes_ray.bench.statistics import median, percentile


@dataclass(slots=True)
class Outcomes:
    """What askers note down while they ask. For one thread.

    Attributes:
        first_token_s: of each answer, from sending the question to its first token; to the whole answer as JSON.
        behind_engine_s: of each streamed answer, that less the engine's own time to first token.
        refused: problems with ``Retry-After``, by code.
        failed: other problems, by code.
        dropped: what was no answer and no problem either: other texts, broken connections.
    """

    first_token_s: list[float] = field(default_factory=list)
    behind_engine_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Complete answers."""
        return len(self.first_token_s)

    @property
    def replies(self) -> int:
        """Everything that ended a wait."""
        return self.answered + self.refused.total() + self.failed.total() + self.dropped.total()


@dataclass(frozen=True, slots=True)
class Level:
    """One level of load.

    Attributes:
        way: ``engine``, ``json`` or ``sse``.
        askers: at once.
        seconds: that were counted.
        outcomes: of these seconds.
        cpu_s: CPU time of the processes during them, by what they are; ``worker`` is the engine's.
    """

    way: str
    askers: int
    seconds: float
    outcomes: Outcomes
    cpu_s: Mapping[str, float]

    @property
    def answers_per_s(self) -> float:
        """Complete answers per second."""
        return self.outcomes.answered / self.seconds

    def first_token_ms(self, percent: float) -> float | None:
        """A percentile of the time to first token; ``None`` without an answer."""
        times_s = self.outcomes.first_token_s
        return percentile(times_s, percent) * 1000 if times_s else None

    @property
    def behind_engine_ms(self) -> float | None:
        """By how much first tokens come later than in the engine, median; ``None`` where it is not known."""
        return median(self.outcomes.behind_engine_s) * 1000 if self.outcomes.behind_engine_s else None

    def cpu_ms_per_answer(self, process: str) -> float | None:
        """CPU time of a process for each answer, its frames included; ``None`` without an answer."""
        if process not in self.cpu_s or not self.outcomes.answered:
            return None
        return self.cpu_s[process] * 1000 / self.outcomes.answered

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "way": self.way,
            "askers": self.askers,
            "seconds": self.seconds,
            "answers": self.outcomes.answered,
            "answers_per_s": self.answers_per_s,
            "first_token_p50_ms": self.first_token_ms(50),
            "first_token_p99_ms": self.first_token_ms(99),
            "behind_engine_p50_ms": self.behind_engine_ms,
            "refused": dict(self.outcomes.refused),
            "failed": dict(self.outcomes.failed),
            "dropped": dict(self.outcomes.dropped),
            "cpu_ms_per_answer": {process: self.cpu_ms_per_answer(process) for process in self.cpu_s},
        }
