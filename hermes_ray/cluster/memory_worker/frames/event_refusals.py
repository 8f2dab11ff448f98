"""Events that the broker refuses for good: how often it did, and what becomes of them then."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import HermesError, PublishFailed
from hermes_ray.transport.event import Event
from hermes_ray.transport.record import Record

MOST_REFUSALS = 5
"""Of one event, with growing pauses: within half a minute a person may take a wrong permission back."""
FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_NOWHERE = -1
"""Partition and offset of a record that never got any."""


@dataclass(slots=True)
class _Refused:
    count: int = 0
    again_s: float = 0.0
    too_large: bool = False


class EventRefusals:
    """Counts refusals. For one event loop.

    Args:
        first_pause_s: after the first refusal of an event; each further pause is twice as long.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, first_pause_s: float = FIRST_PAUSE_S, now_s: Callable[[], float] = time.monotonic) -> None:
        self._first_pause_s = first_pause_s
        self._now_s = now_s
        self._refused: dict[str, _Refused] = {}

    def concern(self, events: Collection[Event]) -> bool:
        """Whether one of these was refused, so that they are to be sent one by one."""
        return any(event.id in self._refused for event in events)

    def is_due(self, event: Event) -> bool:
        """Whether an event may be sent now."""
        refused = self._refused.get(event.id)
        return refused is None or self._now_s() >= refused.again_s

    def is_too_large(self, event: Event) -> bool:
        """Whether an event was refused for its size."""
        refused = self._refused.get(event.id)
        return refused is not None and refused.too_large

    def suspect(self, event: Event) -> None:
        """An event was refused among others, which may be why."""
        self._refused.setdefault(event.id, _Refused())

    def refused(self, event: Event, *, too_large: bool) -> bool:
        """An event was refused by itself; whether that was often enough."""
        refused = self._refused.setdefault(event.id, _Refused())
        refused.count += 1
        refused.too_large = too_large
        refused.again_s = self._now_s() + min(_LONGEST_PAUSE_S, self._first_pause_s * 2 ** (refused.count - 1))
        return refused.count >= MOST_REFUSALS

    def keep(self, events: Collection[Event]) -> None:
        """Forget all but these: others were published, or have left with their streams."""
        ids = {event.id for event in events}
        self._refused = {event_id: refused for event_id, refused in self._refused.items() if event_id in ids}


def write_letter(settings: KafkaSettings, event: Event, error: HermesError, epoch: int = 0) -> None:
    """Keep an event as a dead letter, confirmed by the broker. Blocks.

    Args:
        settings: where.
        event: as it was refused last.
        error: why.
        epoch: of its stream; 0: not known.

    Raises:
        TransportError: it is not kept.
    """
    from hermes_ray.transport.dead_letters import DeadLetterWriter  # many a worker finds no event

    key, value, headers = event.to_record(epoch)
    record = Record(settings.events_topic, _NOWHERE, _NOWHERE, _NOWHERE, key, value, tuple(headers))
    letters = DeadLetterWriter(settings)
    try:
        letters.write(record, error).result()
    finally:
        with suppress(PublishFailed):  # of this letter, which has said so itself
            letters.close(timeout_s=0.0)
