"""Training material: short clips of many worlds, with questions, and labels of what each visual token shows.

Everything is numpy, so that it can be made in another process than the one that trains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hermes_ray.models.tiny.architecture import IMAGE_SIZE_PX, TOKENS_PER_SIDE
from hermes_ray.video.world import TASKS, QuestionAnswer, QuestionWriter, Renderer, Traffic, Visit, World
from hermes_ray.video.world.scene import COLOURS, KINDS, TRACK_CENTRES

IGNORED = -100
"""Label of a token about which a head is not asked (cross-entropy's own convention)."""
LABELS = ("kind", "colour", "place", "is_new", "order", "order_of_kind", "kind_before", "colour_before")
"""What the auxiliary heads are taught about each visual token; index 0 of kind and colour means "nothing"."""
LABEL_CLASSES = {
    "kind": len(KINDS) + 1,
    "colour": len(COLOURS) + 1,
    "place": 3,
    "is_new": 2,
    "order": 10,
    "order_of_kind": 8,
    "kind_before": len(KINDS) + 1,
    "colour_before": len(COLOURS) + 1,
}

_CELL_SHARE, _THING_SHARE = 0.25, 0.45
_MOST_THINGS = 16  # of a lapse; as many as a bundled stream of some ten minutes brings
_SHARPER_SHARE = 0.15  # clips drawn at twice the size and shrunk, as a real camera's pictures are


@dataclass(frozen=True, slots=True)
class PlacedQuestion:
    """A question and the newest frame of its clip that it may see."""

    question: QuestionAnswer
    frame: int


@dataclass(frozen=True, slots=True)
class Clip:
    """One training example.

    Attributes:
        frames: ``[frames, 72, 72, 3]``, uint8, RGB.
        labels: per name of :data:`LABELS`, ``[frames, 9]``, int64, :data:`IGNORED` where nothing is asked.
        questions: in no particular order.
    """

    frames: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int64]]
    questions: tuple[PlacedQuestion, ...]


def make_clip(
    seed: int,
    frames: int,
    questions: int,
    task_weights: Mapping[str, float],
    *,
    quiet: bool = False,
    lapse: bool = False,
    moments: int | None = None,
) -> Clip:
    """Film one world and ask about it.

    Args:
        seed: everything depends on it and on the other arguments alone.
        frames: length of the clip.
        questions: how many to ask; fewer where the clip allows no more.
        task_weights: how often to choose each task, not necessarily normalised.
        quiet: something comes only now and then, so that even a long clip holds few things.
        lapse: most moments at which nothing is in view are left out, and some of the others, as a bounded memory
            forgets them: so a short clip tells a long history.
        moments: at how many frames to ask; ``None`` for any of the clip.
    """
    rng = np.random.default_rng([seed, 11])
    world = World(seed, _draw_traffic(rng, quiet=quiet))
    times = _draw_lapse(rng, world, frames) if lapse else _draw_times(rng, world, frames)
    return Clip(
        frames=_film(rng, world, times),
        labels=_label(world, times),
        questions=_ask(rng, world, _draw_moments(rng, times, moments), times, questions, task_weights),
    )


def _draw_traffic(rng: np.random.Generator, *, quiet: bool) -> Traffic:
    return Traffic(
        mean_gap_s=float(rng.choice([10.0, 20.0, 40.0] if quiet else [0.3, 1.0, 3.0])),
        quiet_share=0.03,
        overlap_share=float(rng.uniform(0.2, 0.6)),
        kinds=int(rng.choice([3, 4, 6])),
        colours=int(rng.choice([3, 4, 6])),
    )


def _draw_times(rng: np.random.Generator, world: World, frames: int) -> NDArray[np.float64]:
    """Choose the frame times: one or two frames per second, mostly beginning shortly before the first arrival."""
    interval_s = 1.0 if rng.uniform() < 0.7 else 0.5
    begin_s = 0.0
    first = next(iter(world.visits(0.0, 60.0)), None)
    if first is not None and rng.uniform() < 0.9:
        begin_s = max(0.0, first.came_s - float(rng.uniform(0.0, 2.0)))
    return np.round(begin_s + interval_s * np.arange(frames), 3)


def _draw_lapse(rng: np.random.Generator, world: World, frames: int) -> NDArray[np.float64]:
    """Choose whole seconds out of a long time: of everything that comes at least one, then mostly such with something.

    How much comes is drawn evenly, from two things to as many as a third of the frames.
    """
    things = int(rng.integers(2, min(_MOST_THINGS, frames // 3) + 1))
    visits = world.visits(0.0, 3600.0)[:things]
    seconds = np.arange(0.0, max(visits[-1].came_s + rng.uniform(1.0, 30.0), frames + 1))
    visible = np.array([[visit.visible(t_s) for t_s in seconds] for visit in visits])
    clearest = np.argmax(visible + 0.1 * rng.uniform(size=visible.shape), axis=1)
    urgency = rng.uniform(size=len(seconds)) + (visible.max(axis=0) > 0) * (rng.uniform(size=len(seconds)) < 0.9)
    urgency[clearest] = 3.0
    return np.sort(seconds[np.argsort(-urgency)[:frames]])


def _film(rng: np.random.Generator, world: World, times: NDArray[np.float64]) -> NDArray[np.uint8]:
    scale = 2 if rng.uniform() < _SHARPER_SHARE else 1
    renderer = Renderer(world, scale * IMAGE_SIZE_PX, scale * IMAGE_SIZE_PX)
    frames = np.stack([renderer.render(float(t)) for t in times])
    if scale == 1:
        return frames
    blocks = frames.reshape(len(times), IMAGE_SIZE_PX, scale, IMAGE_SIZE_PX, scale, 3)
    return blocks.mean(axis=(2, 4)).astype(np.uint8)


def _draw_moments(rng: np.random.Generator, times: NDArray[np.float64], count: int | None) -> NDArray[np.float64]:
    return times if count is None else np.sort(rng.choice(times, min(count, len(times)), replace=False))


def _ask(
    rng: np.random.Generator,
    world: World,
    moments: NDArray[np.float64],
    times: NDArray[np.float64],
    questions: int,
    task_weights: Mapping[str, float],
) -> tuple[PlacedQuestion, ...]:
    writer = QuestionWriter(world, rng)
    tasks = list(task_weights)
    weights = np.array([task_weights[task] for task in tasks])
    placed = []
    for task in rng.choice(tasks, size=questions, p=weights / weights.sum()):
        # History questions are worth most where there is history.
        late = TASKS[str(task)][0] != "now" and rng.uniform() < 0.5
        if question := writer.ask_at_one_of(str(task), moments[len(moments) // 2 :] if late else moments):
            placed.append(PlacedQuestion(question, int(np.searchsorted(times, question.asked_s))))
    return tuple(placed)


def _label(world: World, times: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
    cells = TOKENS_PER_SIDE**2
    labels = {name: np.full((len(times), cells), IGNORED, dtype=np.int64) for name in LABELS}
    labels["kind"][:] = labels["colour"][:] = 0
    visits = world.visits(0.0, float(times[-1]))
    for frame, t_s in enumerate(times):
        for index, visit in enumerate(visits):
            if visit.visible(t_s) <= 0 or visit.came_s - 5 > t_s:
                continue
            is_new = frame == 0 or times[frame - 1] < visit.came_s
            facts = _facts(visits, index, is_new=is_new, has_come=visit.came_s <= t_s)
            facts["place"] = int(np.clip(visit.x(t_s) * TOKENS_PER_SIDE, 0, TOKENS_PER_SIDE - 1))
            for column, covered in enumerate(_coverage(visit, float(t_s))):
                if covered is not None:
                    cell = visit.track * TOKENS_PER_SIDE + column
                    for name in LABELS:
                        labels[name][frame, cell] = facts[name] if covered else IGNORED
    return labels


def _facts(visits: Sequence[Visit], index: int, *, is_new: bool, has_come: bool) -> dict[str, int]:
    """Return the labels of a token that shows a visit; those about its place in the history only once it has come."""
    visit = visits[index]
    facts = dict.fromkeys(LABELS, IGNORED)
    facts["kind"] = KINDS.index(visit.kind) + 1
    facts["colour"] = COLOURS.index(visit.colour) + 1
    if has_come:
        before = visits[index - 1] if index else None
        same_kind = sum(other.kind == visit.kind for other in visits[:index])
        facts["is_new"] = int(is_new)
        facts["order"] = min(index, LABEL_CLASSES["order"] - 1)
        facts["order_of_kind"] = min(same_kind, LABEL_CLASSES["order_of_kind"] - 1)
        facts["kind_before"] = KINDS.index(before.kind) + 1 if before else 0
        facts["colour_before"] = COLOURS.index(before.colour) + 1 if before else 0
    return facts


def _coverage(visit: Visit, t_s: float) -> list[bool | None]:
    """Tell for each column of cells whether the visit fills enough of it: yes, barely (``False``) or not (``None``)."""
    assert len(TRACK_CENTRES) == TOKENS_PER_SIDE  # each track runs through the middle of a row of cells
    width = visit.size[0]
    left, right = visit.x(t_s) - width / 2, visit.x(t_s) + width / 2
    covered: list[bool | None] = []
    for column in range(TOKENS_PER_SIDE):
        begin, end = column / TOKENS_PER_SIDE, (column + 1) / TOKENS_PER_SIDE
        overlap = min(right, end) - max(left, begin)
        enough = overlap * TOKENS_PER_SIDE > _CELL_SHARE or overlap / width > _THING_SHARE
        covered.append(enough if overlap > 0 else None)
    return covered
