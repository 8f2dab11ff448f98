"""What the contenders reached, as each benchmark defines its scores, with what chance may have done to them."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hermes_ray.bench.public.datasets.dataset import Dataset
from hermes_ray.bench.public.protocol import Outcome
from hermes_ray.bench.statistics import wilson_interval

_RESAMPLES = 2000
_Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one contender.

    Attributes:
        value: share, 0 to 1; ``None`` without any item that is judged.
        interval: 95 %, videos resampled, because the questions of a video share it; ``None`` of a single video.
        ahead_interval: 95 % interval of how far it is ahead of the first contender on the same items.
    """

    value: float | None
    interval: _Interval | None = None
    ahead_interval: _Interval | None = None

    @property
    def is_better(self) -> bool:
        """Whether it is ahead of the first contender, and not by chance."""
        return self.ahead_interval is not None and self.ahead_interval[0] > 0

    @property
    def is_worse(self) -> bool:
        """Whether it is behind the first contender, and not by chance."""
        return self.ahead_interval is not None and self.ahead_interval[1] < 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        ahead = None if self.ahead_interval is None else list(self.ahead_interval)
        interval = None if self.interval is None else list(self.interval)
        return {"value": self.value, "interval_95": interval, "ahead_of_first_95": ahead}


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task of one split: how many of its items are right."""

    split: str
    task: str
    correct: int
    items: int

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        interval = list(wilson_interval(self.correct, self.items))
        counts = {"correct": self.correct, "items": self.items}
        return {"split": self.split, "task": self.task, **counts, "wilson_95": interval}


@dataclass(frozen=True, slots=True)
class Result:
    """All figures of one contender.

    Attributes:
        contender: its name.
        splits: by split.
        overall: of the whole benchmark.
        tasks: of every split that has items.
        items: how many it answered.
        judged: how many of them are known to be right or wrong.
        judge_score: mean of what a judge gave, 0 to 5.
        mean_cached_tokens: visual tokens per layer held when questions were asked.
    """

    contender: str
    splits: Mapping[str, Score]
    overall: Score
    tasks: Sequence[TaskScore]
    items: int
    judged: int
    judge_score: float | None
    mean_cached_tokens: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "contender": self.contender,
            "overall": self.overall.to_dict(),
            "splits": {split: score.to_dict() for split, score in self.splits.items()},
            "tasks": [task.to_dict() for task in self.tasks],
            "items": self.items,
            "judged": self.judged,
            "judge_score": self.judge_score,
            "mean_cached_tokens": self.mean_cached_tokens,
        }


def results(dataset: Dataset, outcomes: Mapping[str, Sequence[Outcome]]) -> list[Result]:
    """Score every contender; all but the first are compared with the first.

    Args:
        dataset: the benchmark.
        outcomes: by contender, all about the same videos.
    """
    counts = {name: _Counts(dataset, own) for name, own in outcomes.items()}
    first = next(iter(counts.values()))
    return [
        _result(dataset, name, outcomes[name], own, None if own is first else first) for name, own in counts.items()
    ]


class _Counts:
    """Right and judged items of each video (rows) and each task of each split (columns), int64."""

    def __init__(self, dataset: Dataset, outcomes: Sequence[Outcome]) -> None:
        self._by_tasks = dataset.averaged == "tasks"
        self.columns = [(split, task) for split, tasks in dataset.tasks.items() for task in tasks]
        column = {name: index for index, name in enumerate(self.columns)}
        row = {name: index for index, name in enumerate(sorted({outcome.video for outcome in outcomes}))}
        self.correct, self.items = (np.zeros((len(row), len(column)), dtype=np.int64) for _ in range(2))
        for outcome in outcomes:
            if outcome.correct is not None:
                place = row[outcome.video], column[outcome.split, outcome.task]
                self.correct[place] += outcome.correct
                self.items[place] += 1

    def shares(self, picks: NDArray[np.int64], split: str | None) -> NDArray[np.float64]:
        """Score of a split, or overall, for every choice of videos ``[choices, videos]``; NaN without items."""
        correct, items = self.correct[picks].sum(axis=1), self.items[picks].sum(axis=1)
        if split is None and self._by_tasks:
            return _mean([self.shares(picks, each) for each in dict.fromkeys(name for name, _ in self.columns)])
        own = [index for index, (name, _) in enumerate(self.columns) if split in (None, name)]
        with np.errstate(invalid="ignore"):
            if self._by_tasks:
                return _mean([correct[:, index] / items[:, index] for index in own])
            return correct[:, own].sum(axis=1) / items[:, own].sum(axis=1)


def _mean(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN, which stays NaN
        return np.nanmean(np.stack(parts), axis=0)


def _result(dataset: Dataset, name: str, outcomes: Sequence[Outcome], own: _Counts, first: _Counts | None) -> Result:
    given = [outcome.score for outcome in outcomes if outcome.score is not None]
    totals = zip(own.columns, own.correct.sum(axis=0).tolist(), own.items.sum(axis=0).tolist(), strict=True)
    return Result(
        contender=name,
        splits={split: _score(own, first, split) for split in dataset.tasks},
        overall=_score(own, first, None),
        tasks=[TaskScore(split, task, correct, items) for (split, task), correct, items in totals if items],
        items=len(outcomes),
        judged=int(own.items.sum()),
        judge_score=float(np.mean(given)) if given else None,
        mean_cached_tokens=float(np.mean([outcome.cached_tokens for outcome in outcomes])),
    )


def _score(own: _Counts, first: _Counts | None, split: str | None) -> Score:
    videos = len(own.items)
    (value,) = own.shares(np.arange(videos)[None], split)
    if np.isnan(value) or videos == 1:
        return Score(None if np.isnan(value) else float(value))
    picks = np.random.default_rng(0).integers(videos, size=(_RESAMPLES, videos))
    shares = own.shares(picks, split)
    ahead = None if first is None else _interval(shares - first.shares(picks, split))
    return Score(float(value), _interval(shares), ahead)


def _interval(values: NDArray[np.float64]) -> _Interval:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
