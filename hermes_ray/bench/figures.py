"""What a performance benchmark reports: named numbers, some of them with a bar to clear."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from hermes_ray.bench.machine import Machine

Progress = Callable[[str], None]
"""Told what is being measured, one short line at a time."""

SCHEMA = "hermes-bench-memory/1"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach.

    Attributes:
        limit: in the figure's unit.
        at_most: true: the figure must not exceed the limit; false: it must not fall below it.
    """

    limit: float
    at_most: bool

    def cleared_by(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One result.

    Attributes:
        name: what it is; stable, for programs.
        model: which workload it was measured on.
        value: the number that is quoted: a median, a ratio of medians, or a count.
        unit: of the value; ``x`` for a ratio.
        bar: what it must reach, if anything is promised.
        detail: the measurements that it was computed from.
        note: how it was measured, where the name leaves that open.
    """

    name: str
    model: str
    value: float
    unit: str
    bar: Bar | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether it clears its bar; ``None`` without one."""
        return None if self.bar is None else self.bar.cleared_by(self.value)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        bar = None if self.bar is None else {"limit": self.bar.limit, "at_most": self.bar.at_most}
        return {
            "name": self.name,
            "model": self.model,
            "value": self.value,
            "unit": self.unit,
            "bar": bar,
            "passed": self.passed,
            "detail": dict(self.detail),
            "note": self.note,
        }


class Plain(Protocol):
    """What can be said in JSON."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        ...


def report(
    machine: Machine,
    figures: Sequence[Figure],
    *,
    quick: bool,
    seconds: float,
    schema: str = SCHEMA,
    plan: Plain | None = None,
    **measured: Sequence[Plain],
) -> dict[str, Any]:
    """All of one run as a JSON document.

    Args:
        machine: that it ran on.
        figures: what came out.
        quick: whether it did less than the figures are quoted from.
        seconds: that it took.
        schema: the document's name and version.
        plan: how much it did.
        measured: what the figures were computed from, by the name that it has in the document.
    """
    return {
        "schema": schema,
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": asdict(machine),
        "figures": [figure.to_dict() for figure in figures],
        **({} if plan is None else {"plan": plan.to_dict()}),
        **{name: [each.to_dict() for each in several] for name, several in measured.items()},
    }
