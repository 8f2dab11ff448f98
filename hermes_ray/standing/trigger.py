"""What a standing question's answers become: which of them is an event."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from hermes_ray.config import QuietTime, StandingQuestion
from hermes_ray.transport.event import EventKind


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where one rule is with one stream. It depends on the frames of the stream alone, so a replay comes by the same.

    Attributes:
        period: the one in which it was due last, see :meth:`Rule.period`.
        encoded: frames that had shown something new by then.
        asked_ms: capture time of the newest frame when it was asked last, ms since epoch; a span of the journal begins
            there.
        frame: number of that frame, from 0.
        matching: whether it matches, by hysteresis.
        told: a match was told and has not been cleared since.
        matched_ms: capture time at the last match that was told, ms since epoch; ``None`` before the first.
        question: as it was asked, while ``told``: whoever clears the match may not have the rule any more.
    """

    period: int
    encoded: int
    asked_ms: int
    matching: bool = False
    told: bool = False
    matched_ms: int | None = None
    frame: int = 0
    question: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned, in this release or another.

        Raises:
            TypeError: it is none.
        """
        return cls(**{name: value[name] for name in cls.__slots__ if name in value})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is.

    Attributes:
        kind: of the event; ``None`` if it is none.
        answer: the likeliest of the options that speak for that.
        probability: of that option.
    """

    kind: EventKind | None
    answer: str
    probability: float


def judge(
    question: StandingQuestion, trigger: Trigger, probabilities: Mapping[str, float], captured_ms: int
) -> tuple[Trigger, Verdict]:
    """Judge an answer.

    A match that cannot be told, since it is quiet or too soon after another, is told at the first evaluation at which
    it can and still holds. A match that was told is cleared whenever it ends, quiet or not.

    Args:
        question: the standing question.
        trigger: where it is with the stream.
        probabilities: of each option, 0 to 1.
        captured_ms: when the newest frame was captured that the answer rests on, ms since epoch.

    Returns:
        Where it is from now on, and what the answer is.
    """
    firing = sum(probabilities[option] for option in question.firing)
    matching = firing >= (question.clear_at if trigger.matching else question.fire_at)
    kind = None
    if matching:
        again = question.on == "match" or not trigger.told
        if again and not (_cools_down(question, trigger, captured_ms) or is_quiet(question.quiet, captured_ms)):
            kind = EventKind.MATCH
    elif trigger.told and question.on == "change":
        kind = EventKind.CLEAR
    speaking = question.firing if matching else [o for o in question.options if o not in question.firing]
    answer = max(speaking, key=probabilities.__getitem__)
    told = matching and (trigger.told or kind is EventKind.MATCH)
    after = replace(
        trigger,
        matching=matching,
        told=told,
        question=question.question if told else "",
        matched_ms=captured_ms if kind is EventKind.MATCH else trigger.matched_ms,
    )
    return after, Verdict(kind, answer, probabilities[answer])


def is_quiet(times: tuple[QuietTime, ...], captured_ms: int) -> bool:
    """Whether a moment is in one of the quiet times.

    Args:
        times: of day.
        captured_ms: the moment, ms since epoch.
    """
    return any(_is_within(time, captured_ms) for time in times)


def _is_within(time: QuietTime, captured_ms: int) -> bool:
    now = f"{datetime.fromtimestamp(captured_ms / 1000, ZoneInfo(time.zone)):%H:%M}"
    if time.begins < time.ends:
        return time.begins <= now < time.ends
    return now >= time.begins or now < time.ends


def _cools_down(question: StandingQuestion, trigger: Trigger, captured_ms: int) -> bool:
    # A clock that was set back is no reason to be silent for longer.
    return trigger.matched_ms is not None and 0 <= captured_ms - trigger.matched_ms < question.cool_down_s * 1000
