"""Reads the assigned partitions, each from where it was left, and knows what may be committed."""

import time
from collections import deque
from collections.abc import Callable, Mapping

from hermes_ray.cluster.ingest.partitions.backlog import Backlog
from hermes_ray.cluster.ingest.partitions.fair_turns import FairTurns
from hermes_ray.cluster.ingest.partitions.gaps import Gaps
from hermes_ray.cluster.ingest.partitions.offsets import AwaitedFrame, PartitionProgress
from hermes_ray.errors import OffsetOutOfRange, UnreadableRecord
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.record import Record

log = get_logger(__name__)

_RECORDS_PER_POLL = 32
_MOST_BYTES_BEHIND = 16 * 1024 * 1024
"""Of a partition that is held; beyond it, or beyond the records of one poll, no more is fetched from it."""


class PartitionReader:
    """Positions and progress outlive the connection: after one breaks, :meth:`attach` goes on with the next.

    For one thread.

    A partition can be held: then its next record waits, and with it all behind it, while other partitions go on.

    Args:
        topic: the frames topic.
        on_unreadable: called with the place of a record that the Kafka client cannot parse, and the error.
        keep_gaps_s: how long the commit waits in front of records that are gone, seconds. Should this process end
            meanwhile, its successor comes across the gap again and can tell the streams behind it.
        now_s: a clock that only grows, seconds.
    """

    def __init__(
        self,
        topic: str,
        on_unreadable: Callable[[Record, UnreadableRecord], None],
        keep_gaps_s: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._on_unreadable = on_unreadable
        self._keep_gaps_s = keep_gaps_s
        self._now_s = now_s
        self._progress: dict[int, PartitionProgress] = {}
        self._committed: dict[int, int] = {}
        self._dealt_with: dict[int, int] = {}
        self._fetched: dict[int, deque[Record]] = {}  # the one read last is the last
        self._turns = FairTurns()
        self._held: dict[int, Record] = {}
        self._parked: set[int] = set()  # held, and not fetched from meanwhile
        self._troubled: set[int] = set()
        # Partitions from which the consumer is not yet reading where it should be.
        self._moved: set[int] = set()
        self._anew = False
        self._gaps = Gaps()
        self._gaps_read_again = Gaps()
        self._young_gaps: list[tuple[int, int, float]] = []
        self.backlog = Backlog()
        self.records_lost = 0

    @property
    def held(self) -> Mapping[int, Record]:
        """Partitions that are held, and the record that waits in each."""
        return self._held

    def attach(self, consumer: PartitionConsumer, partitions: frozenset[int]) -> None:
        """Read exactly these partitions through a consumer: known ones go on, new ones start where the group left off.

        Raises:
            BrokerUnavailable: start offsets could not be read; call again.
        """
        for partition in set(self._progress) - partitions:
            del self._progress[partition]
        self._fetched.clear()  # records not begun are read again
        self._held.clear()
        self._parked.clear()
        self._troubled.clear()
        self._moved.clear()
        for partition in sorted(partitions - set(self._progress)):
            self._progress[partition] = PartitionProgress(self._start(consumer, partition))
        self._anew = False
        while True:
            try:
                return consumer.assign(
                    {(self._topic, p): progress.next_offset for p, progress in self._progress.items()}
                )
            except OffsetOutOfRange as error:
                self._cross_gap(error)

    def forget(self) -> None:
        """The topic was created anew: its offsets mean other records. :meth:`attach` then starts at its beginning."""
        for partition in self._progress:
            self._gaps.forget(partition)
            self._gaps_read_again.forget(partition)
        self._progress.clear()
        self._committed.clear()
        self._dealt_with.clear()
        self._young_gaps.clear()
        self._anew = True

    def read(self, consumer: PartitionConsumer, timeout_s: float) -> Record | None:
        """The next record of a partition that is not held, or ``None`` when none came in time.

        Raises:
            BrokerUnavailable: a position could not be repaired; attach again.
        """
        if (record := self._next_fetched()) is not None:
            return record
        self._move(consumer)
        self._poll(consumer, timeout_s)
        return self._next_fetched()

    def spent(self, record: Record, seconds: float) -> None:
        """Taking a record took so much processor time; the other partitions have their turns accordingly."""
        self._turns.spent(record.partition, seconds)

    def hold(self, record: Record) -> None:
        """Read nothing behind this record until it is begun, or its partition is read again.

        What is fetched behind it is kept, up to a bound; beyond it nothing is fetched from the partition.
        """
        self._held[record.partition] = record

    def next_offset(self, partition: int) -> int | None:
        """The offset after the last record begun of a partition; ``None`` if it is not assigned."""
        progress = self._progress.get(partition)
        return None if progress is None else progress.next_offset

    def needs(self, partition: int, offset: int) -> bool:
        """Whether a record might be read again: it is not below what may be committed."""
        progress = self._progress.get(partition)
        return progress is not None and offset >= progress.committable

    def lost(self, partition: int, start: int, end: int, again: bool) -> int:
        """How many records from ``start`` up to, not including, ``end`` were gone before they were read.

        Args:
            partition: whose.
            start: first offset.
            end: the offset after the last.
            again: count those too that were gone when they were to be read again.
        """
        return (self._gaps_read_again if again else self._gaps).between(partition, start, end)

    def begin(self, record: Record, awaited: AwaitedFrame | None) -> None:
        """A record was taken on. It is safe once ``awaited`` is durable, or :meth:`done` says so."""
        self._progress[record.partition].begin(record.offset, awaited)
        self.backlog.read(record)
        self._held.pop(record.partition, None)

    def done(self, record: Record) -> None:
        """A record needs nothing any more: its dead letter is confirmed. Of a partition lost meanwhile: ignored."""
        progress = self._progress.get(record.partition)
        if progress is not None:
            progress.done(record.offset)

    def settle(self, is_durable: Callable[[AwaitedFrame], bool]) -> None:
        """Find out which records are safe by now."""
        before_s = self._now_s() - self._keep_gaps_s
        for partition, start, since_s in self._young_gaps:
            if since_s <= before_s and (progress := self._progress.get(partition)) is not None:
                progress.done(start)
        self._young_gaps = [gap for gap in self._young_gaps if gap[2] > before_s]
        for progress in self._progress.values():
            progress.settle(is_durable)

    def rewind(self, partition: int, offset: int | None = None) -> None:
        """Read a partition again, from the next :meth:`read` on.

        Args:
            partition: ignored if it is not assigned.
            offset: from where, if that is before what was read; by default from where records are not safe yet.
        """
        progress = self._progress.get(partition)
        if progress is None:
            return
        start = progress.committable if offset is None else min(offset, progress.committable)
        log.info("reading again", partition=partition, offset=start, records=progress.next_offset - start)
        self._dealt_with[partition] = max(progress.committable, self._dealt_with.get(partition, 0))
        self._progress[partition] = PartitionProgress(start)
        self._young_gaps = [gap for gap in self._young_gaps if gap[0] != partition]  # they are come across again
        self._held.pop(partition, None)
        self._fetched.pop(partition, None)
        self._parked.discard(partition)
        self._moved.add(partition)
        self.backlog.rewound(partition)

    def commit(self, consumer: PartitionConsumer) -> None:
        """Publish, where it changed, the offset below which everything is safe.

        Raises:
            BrokerUnavailable: not confirmed; the next call tries again.
        """
        ahead = {
            partition: progress.committable
            for partition, progress in self._progress.items()
            if progress.committable != self._committed.get(partition)
        }
        if ahead:
            consumer.commit({(self._topic, partition): offset for partition, offset in ahead.items()})
            self._committed |= ahead

    def survey(self, consumer: PartitionConsumer, now_ms: int) -> None:
        """Bring :attr:`backlog` up to date.

        Args:
            consumer: whom to ask.
            now_ms: the present time, ms since epoch.

        Raises:
            BrokerUnavailable: the ends of the partitions are not known.
        """
        self._pass_over(consumer)
        ends = consumer.end_offsets([(self._topic, partition) for partition in self._progress])
        waiting = {p: max(0, ends[self._topic, p] - progress.next_offset) for p, progress in self._progress.items()}
        self.backlog.update(waiting, now_ms)

    def _pass_over(self, consumer: PartitionConsumer) -> None:
        """Follow the consumer over offsets that hold no record. The end of a log is not its last record plus one."""
        positions = consumer.positions()
        for partition, progress in self._progress.items():
            in_memory = partition in self._held or self._fetched.get(partition)
            position = positions.get((self._topic, partition))
            if position is not None and not in_memory and partition not in self._moved:
                progress.pass_over(position)

    def _next_fetched(self) -> Record | None:
        """From the partition whose turn it is, of those that are not held."""
        waiting = [p for p, records in self._fetched.items() if records and p not in self._held]
        if not waiting:
            return None
        partition = self._turns.next(waiting)
        self._fetched[partition] = self._fetched.pop(partition)  # to the end
        return self._fetched[partition].popleft()

    def _poll(self, consumer: PartitionConsumer, timeout_s: float) -> None:
        try:
            for record in consumer.poll(timeout_s, _RECORDS_PER_POLL):
                self._fetched.setdefault(record.partition, deque()).append(record)
        except (OffsetOutOfRange, UnreadableRecord) as error:
            if error.partition in self._held:
                self._troubled.add(error.partition)  # comes again in its turn, behind what is held
            elif isinstance(error, OffsetOutOfRange):
                self._cross_gap(error)
                consumer.seek((self._topic, error.partition), error.beginning)
            else:
                self._on_unreadable(Record(error.topic, error.partition, error.offset, -1, None, None), error)
                consumer.seek((self._topic, error.partition), error.offset + 1)

    def _move(self, consumer: PartitionConsumer) -> None:
        """Have the consumer read where it should, and nowhere else. Only when there is nothing in memory to take."""
        parking = {p for p in self._held if p not in self._parked and (p in self._troubled or self._is_full(p))}
        moved = self._moved | parking | (self._parked - self._held.keys())
        if not moved:
            return
        positions = consumer.positions()
        for partition in moved:
            progress = self._progress.get(partition)
            if progress is None or partition in parking:
                positions.pop((self._topic, partition), None)
            else:
                positions[self._topic, partition] = progress.next_offset
        consumer.assign(positions)
        self._parked = (self._parked & self._held.keys()) | parking
        self._troubled.clear()
        self._moved.clear()

    def _is_full(self, partition: int) -> bool:
        behind = self._fetched.get(partition, ())
        return len(behind) >= _RECORDS_PER_POLL or sum(len(r.value or b"") for r in behind) >= _MOST_BYTES_BEHIND

    def _start(self, consumer: PartitionConsumer, partition: int) -> int:
        # Of a topic created anew, the commit may still be that of the former one.
        committed = None if self._anew else consumer.committed((self._topic, partition))
        if committed is None:
            return consumer.beginning_offsets([(self._topic, partition)])[self._topic, partition]
        self._dealt_with[partition] = committed
        return committed

    def _cross_gap(self, error: OffsetOutOfRange) -> None:
        """Records are gone (retention), or the log is shorter than it was: go on at the oldest that is there."""
        partition, start, end = error.partition, error.offset, error.beginning
        log.error("records are gone", partition=partition, wanted=start, oldest=end)
        self._committed.pop(partition, None)
        if end <= start:
            self._progress[partition] = PartitionProgress(end)
            return
        self._gaps_read_again.add(partition, start, end)
        self.records_lost += self._gaps.add(partition, max(start, self._dealt_with.get(partition, 0)), end)
        self._young_gaps.append((partition, self._progress[partition].skip(end), self._now_s()))
