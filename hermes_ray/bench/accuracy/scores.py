"""Accuracy per policy, with what chance may have done to them."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermes_ray.bench.accuracy.evaluation import Outcome
from hermes_ray.bench.accuracy.items import CATEGORIES, Category
from hermes_ray.bench.accuracy.variants import DEFAULT, Variant
from hermes_ray.bench.statistics import grouped_interval, wilson_interval

_PAST: tuple[Category, ...] = ("recent", "distant")
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Score:
    """One policy's accuracy on the items of one category.

    Attributes:
        interval: 95 % interval of the accuracy, streams resampled, because a stream's items share its world; Wilson's
            where that has no width (all right, all wrong, or one stream).
        wilson: 95 % interval as if items were independent.
        ahead: the default policy's accuracy on the very same items subtracted from this one's;
            ``None`` for the default policy itself.
        ahead_interval: 95 % interval of that, streams resampled.
    """

    correct: int
    items: int
    interval: tuple[float, float]
    wilson: tuple[float, float]
    ahead: float | None = None
    ahead_interval: tuple[float, float] | None = None

    @property
    def accuracy(self) -> float:
        """Share of right answers; not a number without any item."""
        return self.correct / self.items if self.items else float("nan")

    @property
    def is_worse(self) -> bool:
        """Whether the default policy is better, and not by chance."""
        return self.ahead_interval is not None and self.ahead_interval[1] < 0

    @property
    def is_better(self) -> bool:
        """Whether the default policy is beaten, and not by chance."""
        return self.ahead_interval is not None and self.ahead_interval[0] > 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "correct": self.correct,
            "items": self.items,
            "accuracy": self.accuracy if self.items else None,
            "interval_95": list(self.interval),
            "wilson_95": list(self.wilson),
            "ahead_of_default": self.ahead,
            "ahead_of_default_95": None if self.ahead_interval is None else list(self.ahead_interval),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """One policy at one budget.

    Attributes:
        scores: per category.
        past: of the recent and the distant past together.
        tasks: per task: correct answers and items.
        mean_cached_tokens: visual tokens per layer held when questions were asked.
        encoded_share: of the frames that had come until then, those of which anything was encoded; not a number where
            an older journal does not say.
        token_share: the same of their tokens.
    """

    variant: Variant
    scores: Mapping[Category, Score]
    past: Score
    tasks: Mapping[str, tuple[int, int]]
    mean_cached_tokens: float
    encoded_share: float
    token_share: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "policy": self.variant.policy,
            "budget_percent": self.variant.budget_percent,
            "budget_tokens": self.variant.settings["budget_tokens"],
            "same_budget": self.variant.same_budget,
            "mean_cached_tokens": self.mean_cached_tokens,
            "encoded_share": None if math.isnan(self.encoded_share) else self.encoded_share,
            "token_share": None if math.isnan(self.token_share) else self.token_share,
            "categories": {category: score.to_dict() for category, score in self.scores.items()},
            "past": self.past.to_dict(),
            "tasks": {
                task: {"correct": correct, "items": items} for task, (correct, items) in sorted(self.tasks.items())
            },
        }


def results(variants: Sequence[Variant], outcomes: Sequence[Outcome]) -> list[Result]:
    """Score every variant that has outcomes, in the order given.

    Each is compared with the default policy at its budget, one with a budget of its own with the default at the first.
    """
    by_variant: dict[tuple[str, float], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_variant[outcome.policy, outcome.budget_percent].append(outcome)
    first = next((variant.budget_percent for variant in variants if variant.policy == DEFAULT), None)
    found = []
    for variant in variants:
        own = by_variant.get((variant.policy, variant.budget_percent))
        if own:
            rival_at = variant.budget_percent if variant.same_budget else first
            rival = by_variant.get((DEFAULT, rival_at)) if rival_at is not None and variant.policy != DEFAULT else None
            found.append(_result(variant, own, rival))
    return found


def _result(variant: Variant, own: Sequence[Outcome], rival: Sequence[Outcome] | None) -> Result:
    tasks: dict[str, tuple[int, int]] = {}
    for outcome in own:
        correct, items = tasks.get(outcome.task, (0, 0))
        tasks[outcome.task] = (correct + outcome.correct, items + 1)
    return Result(
        variant,
        {category: _score(_of(own, category), rival and _of(rival, category)) for category in CATEGORIES},
        _score(_of(own, *_PAST), rival and _of(rival, *_PAST)),
        tasks,
        float(np.mean([outcome.cached_tokens for outcome in own])),
        sum(outcome.encoded for outcome in own) / (sum(outcome.frames for outcome in own) or float("nan")),
        sum(outcome.encoded_tokens for outcome in own) / (sum(outcome.tokens for outcome in own) or float("nan")),
    )


def _of(outcomes: Sequence[Outcome], *categories: Category) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.category in categories]


def _score(own: Sequence[Outcome], rival: Sequence[Outcome] | None) -> Score:
    streams = sorted({outcome.seed for outcome in own})
    correct = [sum(outcome.correct for outcome in own if outcome.seed == seed) for seed in streams]
    items = [sum(outcome.seed == seed for outcome in own) for seed in streams]
    wilson, interval = wilson_interval(sum(correct), sum(items)), grouped_interval(correct, items)
    ahead, ahead_interval = _ahead(own, rival) if rival else (None, None)
    return Score(sum(correct), sum(items), interval, wilson, ahead, ahead_interval)


def _ahead(own: Sequence[Outcome], rival: Sequence[Outcome]) -> tuple[float | None, tuple[float, float] | None]:
    """Difference in accuracy over the items that both answered, streams resampled."""
    theirs = {(outcome.seed, outcome.item): outcome.correct for outcome in rival}
    gains: dict[int, list[int]] = defaultdict(list)
    for outcome in own:
        if (outcome.seed, outcome.item) in theirs:
            gains[outcome.seed].append(outcome.correct - theirs[outcome.seed, outcome.item])
    if not gains:
        return None, None
    totals = np.array([sum(values) for values in gains.values()])
    counts = np.array([len(values) for values in gains.values()])
    picks = np.random.default_rng(0).integers(len(totals), size=(_RESAMPLES, len(totals)))
    resampled = totals[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return float(totals.sum() / counts.sum()), (float(low), float(high))
