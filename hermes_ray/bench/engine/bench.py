"""What the parts of one run share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hermes_ray.bench.engine.bars import bar
from hermes_ray.bench.engine.plan import Plan
from hermes_ray.bench.engine.subject import Subject
from hermes_ray.bench.figures import Figure, Progress


@dataclass(frozen=True, slots=True)
class Rates:
    """What the device can do at best, measured here.

    Attributes:
        copy_bytes_per_s: of a large copy, read and written bytes together.
        flops_per_s: of a large matrix product in the model's dtype.
    """

    copy_bytes_per_s: float
    flops_per_s: float


@dataclass(frozen=True, slots=True)
class Level:
    """So many who ask again and again.

    Attributes:
        mode: of the engine.
        askers: at once.
        seconds: that were counted.
        first_token_ms: of each answer that was complete in them.
        tokens: of all these answers.
    """

    mode: str
    askers: int
    seconds: float
    first_token_ms: tuple[float, ...]
    tokens: int


@dataclass(slots=True)
class Bench:
    """One run so far.

    Attributes:
        subject: what is measured.
        plan: how much.
        doing: told what is going on.
        mode: of the engine that is measured now; empty while there is none.
        is_main: whether its figures are held to the bars: the first mode is as the engine is shipped.
        rates: of the device, once they are measured.
        alone_ms: transformers' own times by name, once they are measured.
        levels: of all modes.
        model: what results say of the subject.
    """

    subject: Subject
    plan: Plan
    doing: Progress
    mode: str = ""
    is_main: bool = True
    rates: Rates | None = None
    alone_ms: dict[str, float] = field(default_factory=dict)
    levels: list[Level] = field(default_factory=list)
    model: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.subject.to_dict()  # now: the device may not answer any more when a part has failed

    @property
    def group(self) -> str:
        """Under which figures are shown together."""
        subject = self.subject
        where = f"{subject.adapter.name}, {subject.device.type} {str(subject.adapter.dtype).removeprefix('torch.')}"
        return f"{where}, {self.mode}" if self.mode else where

    def figure(self, name: str, value: float, unit: str, detail: Mapping[str, Any], note: str = "") -> Figure:
        """A figure of this run, held to its bar if there is one for this model, device and mode."""
        held_to = bar(name, self.subject.shape, self.subject.device.type) if self.is_main else None
        return Figure(name, self.group, value, unit, held_to, detail, note)
