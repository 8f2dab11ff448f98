"""Reads the events topic into the database, in one thread.

Broker and database may each be away for as long as the topic keeps its records: what was read and not stored is read
again, from the position that the database itself holds.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from hermes_ray.config import EventSettings, KafkaSettings
from hermes_ray.errors import EventRefused, EventsUnavailable, HermesError, OffsetOutOfRange, UnreadableRecord
from hermes_ray.events.checking import checked_event
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.retention import EventRetention
from hermes_ray.events.writing import Arrival, EventWriter
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.credentials import CredentialFiles
from hermes_ray.transport.event import epoch_of
from hermes_ray.transport.record import Record
from hermes_ray.transport.topics import ensure_topics

log = get_logger(__name__)

LEFT_OUT = ("repeated", "erased", "invalid", "lost")
"""Why a record is not in the database."""

_POLL_S = 0.25
_MOST_AT_ONCE = 200
"""Events of one transaction."""
_HOUSEKEEPING_S = 2.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


class EventSinkLoop:
    """Stores what the topic brings until stopped. :meth:`run` is the thread's body.

    Args:
        kafka: where the topic is.
        settings: how much is kept.
        database: need not be prepared, or reachable.
        on_news: called in this thread when there are new events.
        may_act: whether to store anything now.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: EventSettings,
        database: EventDatabase,
        on_news: Callable[[], None],
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self._kafka = kafka
        self._topic = kafka.events_topic
        self._database = database
        self._writer = EventWriter(database, settings.max_thumbnail_bytes)
        self._retention = EventRetention(database, settings)
        self._on_news = on_news
        self._may_act = may_act
        self._stopping = threading.Event()
        self._known: dict[int, int] = {}
        self._log = ""
        self._sweep_every_s = settings.sweep_every_s
        self._sweep_due_s = 0.0
        self.trouble: str | None = "starting"
        """Why events are not being stored now, for people."""
        self.stored = 0
        """Events since the start."""
        self.failures = 0
        """How often broker or database could not be used since the start."""
        self.left_out: Counter[str] = Counter(dict.fromkeys(LEFT_OUT, 0))
        """Records that are not in the database, by one of :data:`LEFT_OUT`."""
        self.lag_records: int | None = None
        """Records that wait, a few seconds old."""
        self.kept_bytes: int | None = None
        """Of events and their pictures, without what was erased in the last few minutes."""

    def stop(self) -> None:
        """End :meth:`run` soon."""
        self._stopping.set()

    def run(self) -> None:
        """Work; connect anew after broker or database were away, for as long as it takes."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            before = self.stored
            if not self._may_act():
                self.trouble = NOT_CERTAIN
                self._stopping.wait(_POLL_S)
                continue
            try:
                self._database.prepare()
                credentials = CredentialFiles(self._kafka)
                ensure_topics(self._kafka)
                with PartitionConsumer(self._kafka) as consumer:
                    self._serve(consumer, credentials)
            except HermesError as error:
                self.failures += 1
                self.trouble = str(error)
                log.warning("events wait in Kafka, trying again", error=str(error))
                pause_s = _FIRST_PAUSE_S if self.stored > before else min(2 * pause_s, _LONGEST_PAUSE_S)
                self._stopping.wait(pause_s)

    def _serve(self, consumer: PartitionConsumer, credentials: CredentialFiles) -> None:
        """Work until told to stop, or there are new credentials to connect with, or another may have taken over."""
        self._log = consumer.identity_of(self._topic)
        self._known = self._writer.positions(self._log)
        self._attach(consumer)
        due_s = 0.0
        while not self._stopping.is_set() and self._may_act():
            if records := self._poll(consumer):
                self._store(records)
            self.trouble = None
            if time.monotonic() >= due_s:
                self._keep_house(consumer)
                if credentials.renewed():
                    return
                due_s = time.monotonic() + _HOUSEKEEPING_S

    def _attach(self, consumer: PartitionConsumer) -> None:
        """Read every partition from where the database says, the others from their beginnings."""
        partitions = [(self._topic, number) for number in consumer.partitions_for(self._topic)]
        positions = consumer.positions()
        if set(partitions) == set(positions):
            return
        begins = consumer.beginning_offsets(partitions)
        consumer.assign(
            {one: positions.get(one, self._known.get(one[1], begin)) for one, begin in begins.items()},
        )

    def _poll(self, consumer: PartitionConsumer) -> list[Record]:
        try:
            return consumer.poll(_POLL_S, _MOST_AT_ONCE)
        except OffsetOutOfRange as gap:
            lost = max(0, gap.beginning - gap.offset)
            self.left_out["lost"] += lost
            log.error("the events topic does not hold what comes next", error=str(gap), lost=lost)
            consumer.seek((self._topic, gap.partition), gap.beginning)
        except UnreadableRecord as stuck:
            self._refused(stuck)
            consumer.seek((self._topic, stuck.partition), stuck.offset + 1)
        return []

    def _store(self, records: Sequence[Record]) -> None:
        arrivals = [arrival for record in records if (arrival := self._arrival(record)) is not None]
        positions = {record.partition: record.offset + 1 for record in records}
        try:
            self._write(arrivals, positions)
        except EventRefused as error:
            if len(records) == 1:
                self._refused(error)
                self._write([], positions)
                return
            for record in records:
                self._store([record])

    def _write(self, arrivals: Sequence[Arrival], positions: dict[int, int]) -> None:
        now_ms = time.time_ns() // 1_000_000
        done = self._writer.store(self._log, arrivals, positions, self._known, now_ms)
        if done.moved:
            raise EventsUnavailable("somebody else stores the same events; going on from where they are")
        self._known |= positions
        self.stored += done.stored
        self.left_out["repeated"] += done.repeated
        self.left_out["erased"] += done.erased
        if done.stored:
            self._on_news()
            if self.kept_bytes is not None:
                self.kept_bytes += done.added_bytes
                self._sweep_if_due()

    def _arrival(self, record: Record) -> Arrival | None:
        try:
            return Arrival(checked_event(record), record.partition, record.offset, epoch_of(record))
        except HermesError as error:
            self._refused(error)
            return None

    def _refused(self, error: HermesError) -> None:
        self.left_out["invalid"] += 1
        log.error("a record is no event, and left out", error=str(error))

    def _keep_house(self, consumer: PartitionConsumer) -> None:
        if consumer.identity_of(self._topic) != self._log:
            raise EventsUnavailable(f"topic {self._topic} was created anew; reading it from its beginning")
        self._attach(consumer)
        self.lag_records = sum(consumer.lag().values())
        consumer.commit({(self._topic, part): offset for part, offset in self._known.items()})
        self._sweep_if_due()

    def _sweep_if_due(self) -> None:
        """Let go of what is too much: from time to time, and as soon as there are too many bytes."""
        if time.monotonic() >= self._sweep_due_s or self._retention.is_beyond(self.kept_bytes or 0):
            self.kept_bytes = self._retention.sweep(time.time_ns() // 1_000_000)
            self._sweep_due_s = time.monotonic() + self._sweep_every_s
