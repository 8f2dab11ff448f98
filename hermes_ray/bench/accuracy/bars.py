"""What the default policy must not lose: the present to a plain window, the past to any bounded policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hermes_ray.bench.accuracy.scores import Result, Score

_WINDOW = "recent_only"


@dataclass(frozen=True, slots=True)
class Bar:
    """One kind of questions that the default policy must not lose.

    Attributes:
        questions: ``now``, or ``past``: recent and distant together.
        rivals: policies that it was compared with, at the same number of cached tokens.
        lost_to: policy and budget in percent of each that is better on the same questions beyond the 95 % interval.
    """

    questions: str
    rivals: tuple[str, ...]
    lost_to: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        lost_to = [{"policy": policy, "budget_percent": percent} for policy, percent in self.lost_to]
        return {"questions": self.questions, "rivals": list(self.rivals), "lost_to": lost_to, "passed": not lost_to}


def bars(found: Sequence[Result]) -> list[Bar]:
    """Hold the default policy against its rivals; bars without any rival are left out.

    Its own variants are no rivals, and nor is what keeps another number of tokens by its nature.
    """
    compared = [result for result in found if result.past.ahead is not None]
    rivals = [result for result in compared if result.variant.same_budget and not result.variant.is_of_default]
    windows = [result for result in rivals if result.variant.policy == _WINDOW]
    now = _bar("now", [(result, result.scores["now"]) for result in windows])
    past = _bar("past", [(result, result.past) for result in rivals])
    return [bar for bar in (now, past) if bar.rivals]


def _bar(questions: str, compared: Sequence[tuple[Result, Score]]) -> Bar:
    return Bar(
        questions,
        rivals=tuple(dict.fromkeys(result.variant.policy for result, _ in compared)),
        lost_to=tuple((r.variant.policy, r.variant.budget_percent) for r, score in compared if score.is_better),
    )
