"""Evaluation streams: long streams of the simulated camera, with items, which are questions whose answers are known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hermes_ray.bench.accuracy.footage import USUAL, Footage
from hermes_ray.video.world import TASKS, QuestionAnswer, QuestionWriter, Truth, World

Category = Literal["now", "recent", "distant", "count"]
CATEGORIES: tuple[Category, ...] = ("now", "recent", "distant", "count")

FIRST_SEED = 7_000_000_000
"""Streams have the seeds from here on; training and its own evaluation use others."""
RECENT_SHARE = 0.1
"""What came within this share of the stream's length before the question is recent; what came earlier is distant."""

_INTERVAL_S = 1.0
_ASKED_FROM = 0.55  # share of the stream before the first question: by then every memory has been compacted
_DRAWS_PER_ITEM = 40
_PAST_TASKS = tuple(task for task, (topic, _) in TASKS.items() if topic == "past")
_TASKS_OF: dict[Category, tuple[str, ...]] = {
    "now": tuple(task for task, (topic, _) in TASKS.items() if topic == "now"),
    "recent": _PAST_TASKS,
    "distant": _PAST_TASKS,
    "count": tuple(task for task, (topic, _) in TASKS.items() if topic == "count"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """A question, its right answer, and what it tests.

    Attributes:
        frame: it is asked when this frame is the newest in the memory.
    """

    category: Category
    frame: int
    question: QuestionAnswer


@dataclass(frozen=True, slots=True)
class EvaluationStream:
    """One stream and its items.

    Attributes:
        seed: of the world.
        frames: how many.
        items: by frame, then in the order of :data:`CATEGORIES`.
        footage: what it looks like, how much happens, and which frames are encoded.
    """

    seed: int
    frames: int
    items: tuple[Item, ...]
    footage: Footage = USUAL

    @property
    def times_s(self) -> list[float]:
        """World time of every frame."""
        return [frame * _INTERVAL_S for frame in range(self.frames)]

    @property
    def world(self) -> World:
        """What happens before the camera; frame n is its second n."""
        return self.footage.world(self.seed)

    def moments(self) -> list[int]:
        """The frames at which something is asked, in order."""
        return sorted({item.frame for item in self.items})

    def shows(self) -> list[bool]:
        """For every frame whether anything of any thing is in the picture."""
        return [any(visit.visible(t_s) > 0 for visit in self.world.visits(t_s, t_s)) for t_s in self.times_s]

    def film(self, side_px: int) -> list[NDArray[np.uint8]]:
        """Render the stream: ``[side_px, side_px, 3]`` uint8 each, one frame per second."""
        return self.footage.film(self.seed, self.times_s, side_px)


def evaluation_stream(
    seed: int, frames: int, moments: int, per_category: int, footage: Footage = USUAL
) -> EvaluationStream:
    """Write one stream's items; they depend on the arguments alone.

    Args:
        seed: of the world.
        frames: length of the stream, one frame per second.
        moments: at how many frames it is asked, all in its last part.
        per_category: items per category at each; fewer where the world gives no more.
        footage: of the stream; items depend on its traffic alone.
    """
    rng, world = np.random.default_rng([seed, 17]), footage.world(seed)
    writer = _ItemWriter(world, frames, rng)
    items = [
        item
        for frame in _choose_moments(world, frames, moments, rng)
        for category in CATEGORIES
        for item in writer.write(category, frame, per_category)
    ]
    return EvaluationStream(seed, frames, tuple(items), footage)


def _choose_moments(world: World, frames: int, count: int, rng: np.random.Generator) -> list[int]:
    """Frames of the last part of the stream; those that show something clearly come first."""
    truth = Truth(world)
    candidates = [frame for frame in range(int(frames * _ASKED_FROM), frames) if truth.is_clear(frame * _INTERVAL_S)]
    lively = [frame for frame in candidates if truth.in_view(frame * _INTERVAL_S)]
    dull = [frame for frame in candidates if frame not in set(lively)]
    order = [*rng.permutation(lively).tolist(), *rng.permutation(dull).tolist()]
    return sorted(int(frame) for frame in order[:count])


class _ItemWriter:
    def __init__(self, world: World, frames: int, rng: np.random.Generator) -> None:
        self._writer = QuestionWriter(world, rng)
        self._truth = Truth(world)
        self._recent_s = RECENT_SHARE * frames * _INTERVAL_S
        self._rng = rng
        # Half of the questions that are answered yes or no want each; which of them comes first is drawn.
        self._wanted = {category: str(rng.choice(("yes", "no"))) for category in CATEGORIES}

    def write(self, category: Category, frame: int, count: int) -> list[Item]:
        """Draw different items of one category about one moment."""
        found: dict[str, Item] = {}
        for _ in range(_DRAWS_PER_ITEM * count):
            if len(found) == count:
                break
            task = str(self._rng.choice(_TASKS_OF[category]))
            question = self._writer.ask(task, frame * _INTERVAL_S)
            if question and question.text not in found and self._fits(category, question):
                if question.answer == self._wanted[category]:
                    self._wanted[category] = "no" if question.answer == "yes" else "yes"
                found[question.text] = Item(category, frame, question)
        return list(found.values())

    def _fits(self, category: Category, question: QuestionAnswer) -> bool:
        if question.answer in ("yes", "no") and question.answer != self._wanted[category]:
            return False
        if category in ("now", "count") or question.answer == "no":  # nothing that came decides a "no"
            return True
        about_s = self._first_s(question.asked_s) if question.about_s is None else question.about_s
        if about_s is None:
            return False
        is_recent = question.asked_s - about_s <= self._recent_s
        return is_recent == (category == "recent")

    def _first_s(self, t_s: float) -> float | None:
        """A question about everything is as distant as the first thing that came."""
        came = self._truth.came(t_s)
        return came[0].came_s if came else None


def count_by_category(streams: Sequence[EvaluationStream]) -> dict[Category, int]:
    """How many items there are of each category."""
    counts = Counter(item.category for stream in streams for item in stream.items)
    return {category: counts[category] for category in CATEGORIES}
