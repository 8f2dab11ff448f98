"""Where all rules are with one stream: part of the stream's snapshot, and when which is due."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hermes_ray.standing.rule import Moment, Rule
from hermes_ray.standing.trigger import Trigger
from hermes_ray.standing.withdrawal import withdrawn
from hermes_ray.transport.event import JOURNAL, Event


@dataclass(frozen=True, slots=True)
class Watch:
    """What was found out about one stream so far.

    Attributes:
        triggers: by rule.
        pending: events that the broker has not confirmed, oldest first. They are stored with the memory that they
            rest on, so whoever restores it publishes them.
    """

    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    pending: tuple[Event, ...] = ()

    def found(self, triggers: Mapping[str, Trigger], events: Sequence[Event]) -> Self:
        """After further frames."""
        return replace(self, triggers=triggers, pending=(*self.pending, *events))

    def published(self, ids: Iterable[str]) -> Self:
        """After the broker has confirmed events."""
        gone = frozenset(ids)
        return replace(self, pending=tuple(event for event in self.pending if event.id not in gone))

    def begun_anew(self, stream_id: str) -> Self:
        """For a memory that has forgotten everything: no match holds on, and what was found before is still to be told.

        Args:
            stream_id: whose memory.
        """
        return self.found({}, withdrawn(stream_id, self.triggers, ()))

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "triggers": {name: trigger.to_json() for name, trigger in self.triggers.items()},
            "pending": [event.to_json() for event in self.pending],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        triggers = {name: Trigger.from_json(trigger) for name, trigger in value["triggers"].items()}
        return cls(triggers, tuple(Event.from_json(event) for event in value["pending"]))


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be put to a stream at one frame.

    Attributes:
        asked: rules and where each was.
        skipped: rules that are due and are not asked, because nothing new was seen since.
        triggers: of all rules, these two kinds having been due.
    """

    asked: tuple[tuple[Rule, Trigger], ...]
    skipped: int
    triggers: Mapping[str, Trigger]


def first_due(
    stream_id: str, rules: Sequence[Rule], triggers: Mapping[str, Trigger], frames: int, captured_ms: Sequence[int]
) -> int | None:
    """The first of further frames at which a rule is due; ``None`` if none is.

    Args:
        stream_id: of which stream.
        rules: those that watch the stream.
        triggers: where they are.
        frames: that the memory has seen so far.
        captured_ms: capture times of the further ones, ms since epoch.
    """
    for index, at_ms in enumerate(captured_ms):
        if any(_is_due(stream_id, rule, triggers.get(rule.name), frames + index + 1, at_ms) for rule in rules):
            return index
    return None


def due_at(stream_id: str, rules: Sequence[Rule], triggers: Mapping[str, Trigger], moment: Moment) -> Due:
    """What is to be asked at a moment. The journal begins to count with the first frame, and asks nothing there.

    Args:
        stream_id: of which stream.
        rules: those that watch the stream. Triggers of others are forgotten; see :func:`withdrawn`.
        triggers: where they are.
        moment: what the memory has seen.
    """
    asked: list[tuple[Rule, Trigger]] = []
    skipped = 0
    after: dict[str, Trigger] = {}
    for rule in rules:
        known = triggers.get(rule.name)
        if not _is_due(stream_id, rule, known, moment.frames, moment.captured_ms):
            assert known is not None, "a rule without a trigger is due"
            after[rule.name] = known
            continue
        period = rule.period(stream_id, moment.frames, moment.captured_ms)
        if known is None:
            known = Trigger(period, 0, moment.captured_ms)
            if rule.name == JOURNAL:
                after[JOURNAL] = replace(known, encoded=moment.encoded)
                continue
        if moment.encoded == known.encoded:
            skipped += 1
            after[rule.name] = replace(known, period=period)
            continue
        asked.append((rule, known))
        after[rule.name] = replace(
            known,
            period=period,
            encoded=moment.encoded,
            asked_ms=moment.captured_ms,
            frame=moment.frames - 1,
        )
    return Due(tuple(asked), skipped, after)


def _is_due(stream_id: str, rule: Rule, trigger: Trigger | None, frames: int, captured_ms: int) -> bool:
    return trigger is None or rule.period(stream_id, frames, captured_ms) != trigger.period
