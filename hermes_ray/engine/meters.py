"""What the engine's thread measures while it works; :class:`StreamEngine` hands it out as plain counts."""

from collections.abc import Callable
from time import perf_counter

from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.tiers import Tier, layout
from hermes_ray.observability.distribution import SECONDS, SIZES, Distribution, Meter


class StepMeter:
    """How long the steps of one kind take and how much each does."""

    def __init__(self) -> None:
        self._seconds = Meter(SECONDS)
        self._sizes = Meter(SIZES)

    def run(self, step: Callable[[], int]) -> None:
        """Run a step that returns how much it did; a step that had nothing to do is not counted."""
        started_s = perf_counter()
        if done := step():
            self._seconds.observe(perf_counter() - started_s)
            self._sizes.observe(done)

    @property
    def seconds(self) -> Distribution:
        """Durations."""
        return self._seconds.read()

    @property
    def sizes(self) -> Distribution:
        """How much was done."""
        return self._sizes.read()


class TokenMeter:
    """Tokens read and written by answers, and when they came."""

    def __init__(self) -> None:
        self.first = Meter(SECONDS)
        self.next = Meter(SECONDS)
        self.prompt_tokens = 0
        self.answer_tokens = 0

    def came(self, received_s: float, previous_s: float | None) -> float:
        """A token, or a chosen option, is known now.

        Args:
            received_s: ``perf_counter`` when its question came.
            previous_s: ``perf_counter`` at the answer's previous token; ``None`` for the first.

        Returns:
            ``perf_counter`` of this token.
        """
        now_s = perf_counter()
        if previous_s is None:
            self.first.observe(now_s - received_s)
        else:
            self.next.observe(now_s - previous_s)
        return now_s


def tokens_by_tier(slab: KVSlab) -> dict[str, int]:
    """Visual tokens in the slab, over all slots and all layers of each tier."""
    tiers = layout(slab.shape.layers)
    per_layer = sum(max(0, length - slab.prefix) for length in slab.lengths)
    layers = [tiers.tier(layer) for layer in range(slab.shape.layers)]
    return {tier.value: per_layer * layers.count(tier) for tier in Tier}
