"""The events of a run in a database, put there and searched as the system does it, but for Kafka in between."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from hermes_ray.config import EventSettings, KafkaSettings
from hermes_ray.events.checking import checked_event
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.kept import EventFilter, KeptEvent
from hermes_ray.events.reading import EventReader
from hermes_ray.events.writing import Arrival, EventWriter
from hermes_ray.transport.event import Event, EventKind
from hermes_ray.transport.record import Record

_LOG = "bench"
_PARTITION = 0
_PAGE = 100
"""As the API's largest pages."""


class Archive:
    """A SQLite database with the system's own tables.

    Args:
        folder: where its file is made.
    """

    def __init__(self, folder: Path) -> None:
        url, settings = f"sqlite:///{folder / 'events.sqlite'}", EventSettings()
        self._topic = KafkaSettings().events_topic
        self._database = EventDatabase(url, settings)
        self._database.prepare()
        self._writer = EventWriter(self._database, settings.max_thumbnail_bytes)
        self._reader = EventReader(self._database)
        self._next = 0
        self.events = 0
        """That are kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def keep(self, events: Sequence[Event]) -> None:
        """Store events, in the form in which they come from the topic."""
        known = self._writer.positions(_LOG)
        arrivals = [self._arrival(event, place) for place, event in enumerate(events, self._next)]
        self._next += len(events)
        done = self._writer.store(_LOG, arrivals, {_PARTITION: self._next}, known, time.time_ns() // 1_000_000)
        self.events += done.stored

    def journal(self, stream: str, text: str, begin_s: float, end_s: float) -> list[KeptEvent]:
        """All lines of a stream's journal that hold these words, newest first, page by page.

        Args:
            stream: which stream.
            text: the words.
            begin_s: captured then or later, seconds since epoch.
            end_s: captured before, seconds since epoch.
        """
        wanted = EventFilter(
            ((stream,),), (EventKind.JOURNAL.value,), (), round(1000 * begin_s), round(1000 * end_s), text
        )
        page = self._reader.find(wanted, _PAGE)
        found = list(page.events)
        while page.next is not None:
            page = self._reader.find(wanted, _PAGE, page.next)
            found += page.events
        return found

    def _arrival(self, event: Event, place: int) -> Arrival:
        key, value, headers = event.to_record()
        record = Record(self._topic, _PARTITION, place, -1, key, value, tuple(headers))
        return Arrival(checked_event(record), _PARTITION, place)
