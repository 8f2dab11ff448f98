"""How much one run does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from hermes_ray.errors import ConfigError


class Shape(StrEnum):
    """Sizes that random weights can have."""

    TINY = "tiny"
    HALF = "0.5b"
    SEVEN = "7b"


class Part(StrEnum):
    """What can be measured, in the order in which it is: for a time behind a question steps of frames are short."""

    RATES = "rates"
    TRANSFORMERS = "transformers"
    INGEST = "ingest"
    PATCHES = "patches"
    COMPACTION = "compaction"
    KERNELS = "kernels"
    TTFT = "ttft"
    TOGETHER = "together"
    TOKENS = "tokens"
    LOAD = "load"
    ASKERS = "askers"


WITHOUT_ENGINE = (Part.RATES, Part.TRANSFORMERS)
"""Parts that need no engine; what they find is compared with what the others do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one run.

    Attributes:
        parts: what to measure.
        seconds: of each measurement, about; a slow machine takes longer for the fewest repetitions that mean anything.
        seed: random weights and pictures depend on it.
        streams: that are watched; each has a memory as an endless stream has it.
        together: questions that are asked at once.
        answer_tokens: of an answer whose tokens are timed.
        askers: who ask again as soon as they have their answer, one level after the other.
        level_tokens: of their answers.
    """

    parts: tuple[Part, ...] = tuple(Part)
    seconds: float = 4.0
    seed: int = 0
    streams: int = 16
    together: int = 8
    answer_tokens: int = 33
    askers: tuple[int, ...] = (1, 8, 32, 64)
    level_tokens: int = 16

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "parts": [part.value for part in self.parts], "askers": list(self.askers)}


def parse_parts(names: str | None) -> tuple[Part, ...]:
    """Parts from a list with commas, in the order of :class:`Part`; ``None`` for all.

    Raises:
        ConfigError: no such part.
    """
    if names is None:
        return tuple(Part)
    given: Sequence[str] = [name.strip() for name in names.split(",") if name.strip()]
    unknown = sorted(set(given) - {part.value for part in Part})
    if unknown or not given:
        raise ConfigError(f"--parts: no part {', '.join(unknown) or names!r}; there are {', '.join(Part)}")
    return tuple(part for part in Part if part in given)
