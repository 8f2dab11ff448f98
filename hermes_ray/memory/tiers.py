"""The memory hierarchy: which decoder layers are sensory, working and long-term memory, and what follows from it.

Source: HERMES, arXiv 2601.14724: shallow layers look at the newest frames, deep layers at sparse anchor tokens,
the layers between shift from one to the other. Every schedule here has one number per layer, and is computed on the
CPU: the same on every device, and one copy instead of many small operations.
"""

from dataclasses import dataclass
from enum import Enum


class Tier(Enum):
    """The role of a decoder layer in the hierarchy."""

    SENSORY = "sensory"
    WORKING = "working"
    LONG_TERM = "long_term"


@dataclass(frozen=True, slots=True)
class TierLayout:
    """Which layers of a decoder belong to which tier.

    Attributes:
        layers: decoder layers.
        working_from: the first working layer; those below are sensory.
        long_term_from: the first long-term layer; the rest above are long-term too.
    """

    layers: int
    working_from: int
    long_term_from: int

    def tier(self, layer: int) -> Tier:
        """The tier of one layer."""
        if layer < self.working_from:
            return Tier.SENSORY
        return Tier.WORKING if layer < self.long_term_from else Tier.LONG_TERM


def layout(layers: int) -> TierLayout:
    """Split a decoder: the lowest tenth sensory, the highest three tenths long-term, both rounded in the paper's way.

    In integers, because ``int(0.7 * 90)`` is 62.
    """
    return TierLayout(layers=layers, working_from=layers // 10, long_term_from=layers * 7 // 10)


def recency_decay(tiers: TierLayout, k_sensory: float, k_end: float) -> list[float]:
    """Decay rate k of the recency term: steep in sensory layers, none in long-term ones (the paper's recency)."""
    return _scheduled(tiers, sensory=k_sensory, start=k_sensory, end=k_end, long_term=0.0)


def recency_weight(tiers: TierLayout, w0: float, w1: float) -> list[float]:
    """Weight w of recency against attention: all in sensory layers, none in long-term ones (the paper's score)."""
    return _scheduled(tiers, sensory=1.0, start=w0, end=w1, long_term=0.0)


def smoothing_strength(tiers: TierLayout, sensory: float, working: float, long_term: float) -> list[float]:
    """Share g that a layer takes from the layer above it (the paper's cross-layer memory smoothing)."""
    return _scheduled(tiers, sensory=sensory, start=working, end=working, long_term=long_term)


def _scheduled(tiers: TierLayout, *, sensory: float, start: float, end: float, long_term: float) -> list[float]:
    """One number per layer: constant outside the working tier, linear from ``start`` towards ``end`` inside it."""
    working = max(tiers.long_term_from - tiers.working_from, 1)
    return [
        *([sensory] * tiers.working_from),
        *(start + (end - start) * (step / working) for step in range(tiers.long_term_from - tiers.working_from)),
        *([long_term] * (tiers.layers - tiers.long_term_from)),
    ]
