"""Reads the assigned partitions, each from where it was left, and knows what may be committed."""

from collections import deque
from collections.abc import Callable, Mapping

from hermes_ray.cluster.offsets import AwaitedFrame, PartitionProgress
from hermes_ray.errors import OffsetOutOfRange, UnreadableRecord
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.record import Record

log = get_logger(__name__)

_RECORDS_PER_POLL = 32


class PartitionReader:
    """Positions and progress outlive the connection: after one breaks, :meth:`attach` goes on with the next.

    For one thread.

    Args:
        topic: the frames topic.
        on_unreadable: called with the place of a record that the Kafka client cannot parse, and the error.
    """

    def __init__(self, topic: str, on_unreadable: Callable[[Record, UnreadableRecord], None]) -> None:
        self._topic = topic
        self._on_unreadable = on_unreadable
        self._progress: dict[int, PartitionProgress] = {}
        self._committed: dict[int, int] = {}
        self._fetched: deque[Record] = deque()
        self._rewound: set[int] = set()
        self.records_lost = 0

    def attach(self, consumer: PartitionConsumer, partitions: frozenset[int]) -> None:
        """Read exactly these partitions through a consumer: known ones go on, new ones start where the group left off.

        Raises:
            BrokerUnavailable: start offsets could not be read; call again.
        """
        for partition in set(self._progress) - partitions:
            del self._progress[partition]
        self._fetched.clear()  # records not begun are read again
        self._rewound.clear()
        for partition in sorted(partitions - set(self._progress)):
            self._progress[partition] = PartitionProgress(self._start(consumer, partition))
        while True:
            try:
                return consumer.assign(
                    {(self._topic, p): progress.next_offset for p, progress in self._progress.items()}
                )
            except OffsetOutOfRange as error:
                self._cross_gap(error)

    def read(self, consumer: PartitionConsumer, timeout_s: float) -> Record | None:
        """The next record, or ``None`` when none came in time.

        Raises:
            BrokerUnavailable: a position could not be repaired; attach again.
        """
        while self._rewound:
            partition = next(iter(self._rewound))
            consumer.seek((self._topic, partition), self._progress[partition].next_offset)
            self._rewound.remove(partition)
        if not self._fetched:
            try:
                self._fetched.extend(consumer.poll(timeout_s, _RECORDS_PER_POLL))
            except OffsetOutOfRange as error:
                self._cross_gap(error)
                consumer.seek((self._topic, error.partition), error.beginning)
            except UnreadableRecord as error:
                self._on_unreadable(Record(error.topic, error.partition, error.offset, -1, None, None), error)
                consumer.seek((self._topic, error.partition), error.offset + 1)
        return self._fetched.popleft() if self._fetched else None

    def begin(self, record: Record, awaited: AwaitedFrame | None) -> None:
        """A record was taken on. It is safe once ``awaited`` is durable, or :meth:`done` says so."""
        self._progress[record.partition].begin(record.offset, awaited)

    def done(self, record: Record) -> None:
        """A record needs nothing any more: its dead letter is confirmed. Of a partition lost meanwhile: ignored."""
        progress = self._progress.get(record.partition)
        if progress is not None:
            progress.done(record.offset)

    def settle(self, is_durable: Callable[[AwaitedFrame], bool]) -> None:
        """Find out which records are safe by now."""
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
        self._progress[partition] = PartitionProgress(start)
        self._fetched = deque(record for record in self._fetched if record.partition != partition)
        self._rewound.add(partition)

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

    def lag(self, consumer: PartitionConsumer) -> Mapping[int, int]:
        """Records that wait in each partition, those fetched and not begun included. Raises ``BrokerUnavailable``."""
        ends = consumer.end_offsets([(self._topic, partition) for partition in self._progress])
        return {p: max(0, ends[self._topic, p] - progress.next_offset) for p, progress in self._progress.items()}

    def _start(self, consumer: PartitionConsumer, partition: int) -> int:
        committed = consumer.committed((self._topic, partition))
        if committed is not None:
            return committed
        return consumer.beginning_offsets([(self._topic, partition)])[self._topic, partition]

    def _cross_gap(self, error: OffsetOutOfRange) -> None:
        """Records are gone (retention), or the topic is a new one: go on at the oldest that is there."""
        log.error("records are gone", partition=error.partition, wanted=error.offset, oldest=error.beginning)
        self.records_lost += max(0, error.beginning - error.offset)
        self._progress[error.partition] = PartitionProgress(error.beginning)
        self._committed.pop(error.partition, None)
