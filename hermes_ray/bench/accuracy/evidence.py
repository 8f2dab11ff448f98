"""Is evidence honest: do the frames that an answer names show what it says? Simulated cameras know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hermes_ray.bench.accuracy.evaluation import is_right
from hermes_ray.bench.accuracy.items import CATEGORIES, Category, EvaluationStream, Item
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.contracts import FrameEvidence
from hermes_ray.models import ModelAdapter
from hermes_ray.video.world import World
from hermes_ray.video.world.questions import PLURALS
from hermes_ray.video.world.scene import COLOURS, KINDS

_SIDE_PX = 72
_INTERVAL_MS = 1000
_CLEARLY_SEEN = 0.3
"""Share of a thing's width that must be in the picture."""
_SAYS_NOTHING = {"nothing", "nowhere", "no", "zero"}
_ONE = {**{kind: kind for kind in KINDS}, **{plural: kind for kind, plural in PLURALS.items()}}

Subject = tuple[str | None, str | None]
"""A colour and a kind; ``None`` for any."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """How the frames that one answer named bear it out.

    Attributes:
        category: of the question.
        task: kind of question.
        correct: whether the answer is right.
        heaviest: the frame of most weight shows what the answer says.
        any_named: one of the named frames does.
        weight: share of the named frames' weight that lies on frames which do.
        by_chance: share of the frames that the memory held which do.
    """

    category: Category
    task: str
    correct: bool
    heaviest: bool
    any_named: bool
    weight: float
    by_chance: float


def subjects(question: str, answer: str) -> list[Subject]:
    """What must be seen in a picture for it to show what an answer says; nothing if it says that nothing is there."""
    said = answer.split()
    if not said or said[0] in _SAYS_NOTHING:
        return []
    named = list(_things(said))
    if any(kind is not None for _, kind in named):
        return named
    # A colour, a place, a number or a yes: what it is about stands in the question.
    asked = list(_things(question.split()))
    if named and asked:
        return [(named[0][0], asked[0][1])]
    return asked or [(None, None)]


def _things(words: Sequence[str]) -> Iterator[Subject]:
    """Things by colour, by kind or by both, in the order in which they are named."""
    colour = None
    for word in words:
        if word in COLOURS:
            colour = word
        elif word in _ONE:
            yield colour, _ONE[word]
            colour = None
    if colour is not None:
        yield colour, None


def shows(world: World, t_s: float, wanted: Sequence[Subject]) -> bool:
    """Whether one of these is to be seen at ``t_s``."""
    seen = [(visit.colour, visit.kind) for visit in world.visits(t_s, t_s) if visit.visible(t_s) >= _CLEARLY_SEEN]
    return any(
        (colour is None or colour == own_colour) and (kind is None or kind == own_kind)
        for colour, kind in wanted
        for own_colour, own_kind in seen
    )


def examine(adapter: ModelAdapter, stream: EvaluationStream, memory: MemorySettings) -> list[Grounds]:
    """Let an engine watch a stream and answer; judge the evidence of the answers that say that something is there.

    Args:
        adapter: the model.
        stream: its frames and items.
        memory: policy and budget.
    """
    film = stream.film(_SIDE_PX)
    limits = EngineSettings(max_questions=1, max_frames_waiting=stream.frames)
    found: list[Grounds] = []
    with StreamEngine(adapter, memory, limits) as engine:
        shown = 0
        for moment in stream.moments():
            times = [frame * _INTERVAL_MS for frame in range(shown, moment + 1)]
            engine.ingest("camera", film[shown : moment + 1], times).result()
            shown = moment + 1
            held = engine.memory_map("camera").frames
            for item in (item for item in stream.items if item.frame == moment):
                answer = engine.ask("camera", Question(item.question.text, max_tokens=32)).result()
                if wanted := subjects(item.question.text, answer.text):
                    found.append(_judged(stream.world, item, answer.text, answer.evidence, held, wanted))
    return found


def _judged(
    world: World,
    item: Item,
    answer: str,
    evidence: Sequence[FrameEvidence],
    held: Sequence[int],
    wanted: Sequence[Subject],
) -> Grounds:
    def good(frame: int) -> bool:
        return shows(world, frame * _INTERVAL_MS / 1000, wanted)

    bears_out = [good(named.frame) for named in evidence]
    weights = [named.weight for named in evidence]
    return Grounds(
        category=item.category,
        task=item.question.task,
        correct=is_right(answer, item.question.answer),
        heaviest=bool(bears_out) and bears_out[0],
        any_named=any(bears_out),
        weight=sum(weight for weight, right in zip(weights, bears_out, strict=True) if right) / (sum(weights) or 1),
        by_chance=sum(map(good, held)) / max(1, len(held)),
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """Means over answers; fields as in :class:`Grounds`.

    Attributes:
        answers: how many.
    """

    answers: int
    correct: float
    heaviest: float
    any_named: float
    weight: float
    by_chance: float


def shares(found: Sequence[Grounds]) -> dict[str, Shares]:
    """By category, and of ``all``; a category without answers is absent."""
    groups: dict[str, list[Grounds]] = {}
    for grounds in found:
        for name in ("all", grounds.category):
            groups.setdefault(name, []).append(grounds)
    return {name: _mean(groups[name]) for name in ("all", *CATEGORIES) if name in groups}


def _mean(found: Sequence[Grounds]) -> Shares:
    def mean(name: str) -> float:
        return sum(float(getattr(grounds, name)) for grounds in found) / len(found)

    return Shares(len(found), mean("correct"), mean("heaviest"), mean("any_named"), mean("weight"), mean("by_chance"))
