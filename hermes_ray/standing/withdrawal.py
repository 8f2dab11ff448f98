"""Ends matches of which nobody asks any more whether they hold: a question that was muted or removed, a memory reset.

Otherwise whoever was told of the match would believe in it for ever.
"""

from collections.abc import Collection, Mapping

from hermes_ray.standing.trigger import Trigger
from hermes_ray.transport.event import Event, EventKind, event_id

_NO_FRAME = -1
"""No answer says that the match is over, so no frame is part of the event's id."""


def withdrawn(stream_id: str, triggers: Mapping[str, Trigger], asked: Collection[str]) -> list[Event]:
    """A ``clear`` for every match that was told, of rules that are not asked any more.

    Its id follows from the match that it ends. So it is the same wherever and whenever it is found out that nobody
    asks: after a crash, a move, or at another frame of a replay.

    Args:
        stream_id: which stream.
        triggers: where its rules are.
        asked: names of the rules that watch it.
    """
    return [
        Event(
            id=event_id(EventKind.CLEAR, name, stream_id, _NO_FRAME, trigger.matched_ms),
            kind=EventKind.CLEAR,
            stream_id=stream_id,
            rule=name,
            question=trigger.question,
            answer="",
            frame=trigger.frame,
            captured_ms=trigger.asked_ms,
        )
        for name, trigger in triggers.items()
        if trigger.told and name not in asked
    ]
