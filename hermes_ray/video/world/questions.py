"""Questions about the simulated camera, with the right answers.

Every kind of question ("task") draws what it asks about so that no constant answer is right often: yes and no are
equally likely, a wrong colour or kind is usually one that did come in another combination, and moments with something
in view are preferred over empty ones.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from hermes_ray.video.world.scene import COLOURS, KINDS, Visit, World
from hermes_ray.video.world.truth import Sighting, Truth

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURALS: dict[str, str] = dict(zip(KINDS, ("cars", "trucks", "buses", "bikes", "persons", "dogs"), strict=True))
LONGEST_LIST = 8
"""``what happened ?`` is asked only while at most this many things have come."""

_THIRDS = (1 / 3, 2 / 3)
_ABSENT_SHARE = 0.15  # of the questions that presuppose a thing, those that presuppose wrongly

Topic = Literal["now", "past", "count"]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """One question asked at one moment, and its right answer.

    Attributes:
        topic: ``now`` needs the newest frame only, ``past`` the history, ``count`` the whole history.
        task: which kind of question, a key of :data:`TASKS`.
        asked_s: world time at which it is asked; the answer is right at this moment.
        about_s: when the thing it turns on came, world time; ``None`` where no single moment decides.
    """

    topic: Topic
    task: str
    text: str
    answer: str
    asked_s: float
    about_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    text: str
    answer: str
    about_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Moment:
    view: list[Sighting]
    came: list[Visit]
    rng: np.random.Generator

    def choose(self, items: Sequence[_Item]) -> _Item:
        return items[int(self.rng.integers(len(items)))]

    def coin(self, share: float = 0.5) -> bool:
        return bool(self.rng.uniform() < share)


class QuestionWriter:
    """Writes questions about one world.

    Args:
        world: the scene.
        rng: decides what is asked; the world is not touched by it.
    """

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._truth = Truth(world)
        self._rng = rng

    def ask(self, task: str, t_s: float) -> QuestionAnswer | None:
        """Write a question of one task about the moment ``t_s``.

        Returns:
            ``None`` if the question makes no sense then, or people could disagree about what is in view.

        Raises:
            KeyError: no such task.
        """
        topic, write = TASKS[task]
        if not self._truth.is_clear(t_s):
            return None
        draft = write(_Moment(self._truth.in_view(t_s), self._truth.came(t_s), self._rng))
        return draft and QuestionAnswer(topic, task, draft.text, draft.answer, t_s, draft.about_s)

    def ask_at_one_of(self, task: str, times_s: Sequence[float], attempts: int = 12) -> QuestionAnswer | None:
        """Write a question of one task at a moment drawn from ``times_s``; most empty moments are passed over.

        Returns:
            ``None`` when no attempt found a moment at which the task makes sense.
        """
        for _ in range(attempts):
            t_s = float(times_s[int(self._rng.integers(len(times_s)))])
            dull = not (self._truth.in_view(t_s) if TASKS[task][0] == "now" else self._truth.came(t_s))
            if dull and self._rng.uniform() < 0.8:
                continue
            if question := self.ask(task, t_s):
                return question
        return None


def _a(thing: Sighting | Visit) -> str:
    return f"a {thing.name}"


def _what_now(moment: _Moment) -> _Draft | None:
    if len(moment.view) == 1 and moment.coin(0.5):  # one thing is by far the most frequent sight
        return None
    text = moment.choose(("what is in view now ?", "what do you see ?"))
    return _Draft(text, " and ".join(_a(thing) for thing in moment.view) or "nothing")


def _where(moment: _Moment) -> _Draft | None:
    kinds = Counter(thing.kind for thing in moment.view)
    if moment.coin(_ABSENT_SHARE):
        absent = [kind for kind in KINDS if kind not in kinds]
        return _Draft(f"where is the {moment.choose(absent)} ?", "nowhere")
    known = [thing for thing in moment.view if kinds[thing.kind] == 1 and min(abs(thing.x - b) for b in _THIRDS) > 0.05]
    if not known:
        return None
    thing = moment.choose(known)
    place = "left" if thing.x < _THIRDS[0] else "middle" if thing.x < _THIRDS[1] else "right"
    return _Draft(f"where is the {thing.kind} ?", place)


def _colour_now(moment: _Moment) -> _Draft | None:
    kinds = Counter(thing.kind for thing in moment.view)
    if moment.coin(_ABSENT_SHARE):
        return _absent(moment, kinds, "what colour is the {} ?")
    known = [thing for thing in moment.view if kinds[thing.kind] == 1]
    if not known:
        return None
    thing = moment.choose(known)
    return _Draft(f"what colour is the {thing.kind} ?", thing.colour)


def _absent(moment: _Moment, kinds: Counter[str], text: str) -> _Draft | None:
    """Ask about a kind that is not there: a presupposition to reject."""
    absent = [kind for kind in KINDS if kind not in kinds]
    if not absent:
        return None
    kind = moment.choose(absent)
    return _Draft(text.format(kind), f"no {kind}")


def _how_many_now(moment: _Moment) -> _Draft | None:
    if len(moment.view) == 1 and moment.coin(0.5):
        return None
    return _Draft("how many things are in view ?", NUMBERS[len(moment.view)])


def _is_now(moment: _Moment) -> _Draft | None:
    pair = _balanced_pair(moment, [(thing.colour, thing.kind) for thing in moment.view])
    if pair is None:
        return None
    (colour, kind), answer = pair
    return _Draft(f"is there a {colour} {kind} in view ?", answer)


def _seen(moment: _Moment) -> _Draft | None:
    pair = _balanced_pair(moment, [(visit.colour, visit.kind) for visit in moment.came])
    if pair is None:
        return None
    (colour, kind), answer = pair
    times = [visit.came_s for visit in moment.came if (visit.colour, visit.kind) == (colour, kind)]
    return _Draft(f"did a {colour} {kind} come ?", answer, times[-1] if times else None)


def _balanced_pair(moment: _Moment, there: list[tuple[str, str]]) -> tuple[tuple[str, str], str] | None:
    """Draw a colour and kind to ask about: half of them are there, most of the others are there in part."""
    if not there:
        return None
    if moment.coin():
        return moment.choose(there), "yes"
    colours, kinds = {colour for colour, _ in there}, {kind for _, kind in there}
    absent = [(colour, kind) for colour in COLOURS for kind in KINDS if (colour, kind) not in there]
    both = [pair for pair in absent if pair[0] in colours and pair[1] in kinds]
    one = [pair for pair in absent if (pair[0] in colours) != (pair[1] in kinds)]
    draw = moment.rng.uniform()
    for share, candidates in ((0.45, both), (0.9, one)):
        if candidates and draw < share:
            return moment.choose(candidates), "no"
    return (moment.choose(absent), "no") if absent else None


def _seen_part(moment: _Moment, all_values: Sequence[str], came: list[tuple[str, float]], text: str) -> _Draft | None:
    there = dict(came)
    absent = [value for value in all_values if value not in there]
    if not there or not absent:
        return None
    if moment.coin():
        value = moment.choose(list(there))
        return _Draft(text.format(value), "yes", there[value])
    return _Draft(text.format(moment.choose(absent)), "no")


def _seen_kind(moment: _Moment) -> _Draft | None:
    return _seen_part(moment, KINDS, [(v.kind, v.came_s) for v in moment.came], "did a {} come ?")


def _seen_colour(moment: _Moment) -> _Draft | None:
    return _seen_part(moment, COLOURS, [(v.colour, v.came_s) for v in moment.came], "did anything {} come ?")


def _first(moment: _Moment) -> _Draft:
    if not moment.came:
        return _Draft("what came first ?", "nothing")
    return _Draft("what came first ?", _a(moment.came[0]), moment.came[0].came_s)


def _last(moment: _Moment) -> _Draft:
    if not moment.came:
        return _Draft("what came last ?", "nothing")
    return _Draft("what came last ?", _a(moment.came[-1]), moment.came[-1].came_s)


def _neighbour(moment: _Moment, word: str, step: int) -> _Draft | None:
    """Ask what came before or after a thing that one name describes without doubt."""
    kinds = Counter(visit.kind for visit in moment.came)
    names = Counter(visit.name for visit in moment.came)
    ways = [(i, v.kind) for i, v in enumerate(moment.came) if kinds[v.kind] == 1]
    ways += [(i, v.name) for i, v in enumerate(moment.came) if names[v.name] == 1]
    # At the end of the line the answer is "nothing"; that must not be the answer too often.
    inner = [way for way in ways if 0 <= way[0] + step < len(moment.came)]
    if not inner and not (ways and moment.coin(0.15)):
        return None
    place, name = moment.choose(ways if not inner or moment.coin(0.1) else inner)
    text = f"what came {word} the {name} ?"
    if not 0 <= place + step < len(moment.came):
        return _Draft(text, "nothing", moment.came[place].came_s)
    other = moment.came[place + step]
    return _Draft(text, _a(other), other.came_s)


def _before(moment: _Moment) -> _Draft | None:
    return _neighbour(moment, "before", -1)


def _after(moment: _Moment) -> _Draft | None:
    return _neighbour(moment, "after", 1)


def _colour_was(moment: _Moment) -> _Draft | None:
    kinds = Counter(visit.kind for visit in moment.came)
    if moment.coin(_ABSENT_SHARE):
        return _absent(moment, kinds, "what colour was the {} ?")
    known = [visit for visit in moment.came if kinds[visit.kind] == 1]
    if not known:
        return None
    visit = moment.choose(known)
    return _Draft(f"what colour was the {visit.kind} ?", visit.colour, visit.came_s)


def _what_happened(moment: _Moment) -> _Draft | None:
    if len(moment.came) > LONGEST_LIST:
        return None
    return _Draft("what happened ?", " , ".join(_a(visit) for visit in moment.came) or "nothing")


def _count(moment: _Moment) -> _Draft | None:
    counts = dict.fromkeys(KINDS, 0) | Counter(visit.kind for visit in moment.came)
    possible = sorted({count for count in counts.values() if count < len(NUMBERS)})
    if not moment.came or not possible:
        return None
    # Draw the answer first: otherwise most would be "zero" or "one".
    wanted = moment.choose(possible)
    kind = moment.choose([kind for kind in KINDS if counts[kind] == wanted])
    return _Draft(f"how many {PLURALS[kind]} came ?", NUMBERS[wanted])


def _count_all(moment: _Moment) -> _Draft | None:
    if len(moment.came) >= len(NUMBERS):
        return None
    return _Draft("how many things came ?", NUMBERS[len(moment.came)])


TASKS: dict[str, tuple[Topic, Callable[[_Moment], _Draft | None]]] = {
    "what_now": ("now", _what_now),
    "where": ("now", _where),
    "colour_now": ("now", _colour_now),
    "how_many_now": ("now", _how_many_now),
    "is_now": ("now", _is_now),
    "seen": ("past", _seen),
    "seen_kind": ("past", _seen_kind),
    "seen_colour": ("past", _seen_colour),
    "first": ("past", _first),
    "last": ("past", _last),
    "before": ("past", _before),
    "after": ("past", _after),
    "colour_was": ("past", _colour_was),
    "what_happened": ("past", _what_happened),
    "count": ("count", _count),
    "count_all": ("count", _count_all),
}
"""Every task: its topic and how to write one."""
