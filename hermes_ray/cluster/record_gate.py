"""Lets a record through once it is known where its stream goes on; until then its partition is held."""

import time
from collections.abc import Mapping

from hermes_ray.cluster.delivery import Delivery
from hermes_ray.cluster.intake import RecordIntake
from hermes_ray.cluster.outbox import Outbox
from hermes_ray.cluster.partition_reader import PartitionReader
from hermes_ray.cluster.protocol import FramePosition
from hermes_ray.errors import ClusterError, MediaError, MessageError
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record

log = get_logger(__name__)

_FIRST_WAIT_S = 0.05
"""For a stream's owner, usually milliseconds away; only then is the partition held, which costs a fetch or two."""
_MOST_PAUSE_S = 0.25
"""Between two questions whether an owner is there again: frames wait for it, and a refusal costs it next to nothing."""


class RecordGate:
    """For one thread.

    A stream's first record waits for two things. Its owner must say what it has seen, so that reading goes on behind
    that. And if the stream came to another partition, what its former ones still hold must be read first, since Kafka
    keeps order only within a partition; that is done once per stream and partition. Every record waits until its
    stream has less than its share of the frames on their way.

    Args:
        intake: knows the streams that go on.
        outbox: frames on their way.
        delivery: asks the owners.
        reader: whose partitions are held.
        topic: the frames topic.
    """

    def __init__(
        self, intake: RecordIntake, outbox: Outbox, delivery: Delivery, reader: PartitionReader, topic: str
    ) -> None:
        self._intake = intake
        self._outbox = outbox
        self._delivery = delivery
        self._reader = reader
        self._topic = topic
        self._not_before_s: dict[str, float] = {}
        # By partition that is held until others are read so far: the stream, and their offsets.
        self._behind: dict[int, tuple[str, Mapping[int, int]]] = {}

    def due(self) -> list[Record]:
        """Records that are held and may pass by now."""
        return list(self._reader.held.values())

    def passes(self, record: Record, consumer: PartitionConsumer) -> bool:
        """Whether the record may be taken. If not, it is held, or its partition is read again.

        Raises:
            EngineError: the stream is new and no worker has room.
            BrokerUnavailable: it is not known what the stream's former partitions hold.
        """
        try:
            stream_id = FrameMessage.from_record(record).stream_id
        except (MessageError, MediaError):
            return True  # it is no frame of any stream, and is found out again when it is opened
        if not self._intake.knows(stream_id):
            if self._reader.held.get(record.partition) is not record and not self._is_usable(record):
                return True  # as above; or anybody could have a stream placed
            if not self._resumes(stream_id, record):
                return False
        if not self._is_in_order(stream_id, record, consumer):
            self._reader.hold(record)
            return False
        self._behind.pop(record.partition, None)
        if not self._outbox.has_room_for(stream_id, self._intake.streams):
            self._reader.hold(record)
            return False
        return True

    def _is_usable(self, record: Record) -> bool:
        try:
            self._intake.check(record)
        except (MessageError, MediaError):
            return False
        except Exception:
            log.exception("unexpected failure of a decoder", partition=record.partition, offset=record.offset)
            return False
        return True

    def _resumes(self, stream_id: str, record: Record) -> bool:
        """Ask the owner where to go on; meanwhile the record is held."""
        is_new = record.partition not in self._reader.held
        if time.monotonic() >= self._not_before_s.get(stream_id, 0.0):
            try:
                at = self._delivery.resume(stream_id, _FIRST_WAIT_S if is_new else 0.0)
            except ClusterError as error:
                self._not_before_s[stream_id] = time.monotonic() + min(error.retry_after_s, _MOST_PAUSE_S)
                log.debug("stream waits for its owner", stream_id=stream_id, error=str(error))
                at = None
            if at is not None:
                self._not_before_s.pop(stream_id, None)
                self._intake.resume(stream_id, at)
                log.info("stream resumes", stream_id=stream_id, positions=[tuple(p) for p in at.positions.values()])
                if at.behind:
                    self._go_back(record.partition, at.positions if at.log == self._intake.log else {})
                return not at.behind
        self._behind.pop(record.partition, None)
        self._reader.hold(record)
        return False

    def _go_back(self, partition: int, positions: Mapping[int, FramePosition]) -> None:
        """A stream came back from an older snapshot than commits rest on: read from there again."""
        log.error("a stream is behind what was committed, reading older records again", partition=partition)
        for known, position in positions.items():
            self._reader.rewind(known, position.offset)
        if partition not in positions:
            self._reader.rewind(partition, 0)

    def _is_in_order(self, stream_id: str, record: Record, consumer: PartitionConsumer) -> bool:
        """Whether everything that the stream's former partitions held when it came to this one has been read."""
        former = self._intake.partitions_of(stream_id) - {record.partition}
        if not former or record.partition in self._intake.partitions_of(stream_id):
            return True
        known = self._behind.get(record.partition)
        if known is None or known[0] != stream_id:
            ends = self._ends(former, consumer)
            log.info("stream came to another partition", stream_id=stream_id, partition=record.partition, behind=ends)
            if missing := former - ends.keys():
                log.warning("a former partition is read elsewhere", stream_id=stream_id, partitions=sorted(missing))
            self._behind[record.partition] = known = (stream_id, ends)
        return all(self._is_read(partition, end, stream_id) for partition, end in known[1].items())

    def _ends(self, partitions: frozenset[int], consumer: PartitionConsumer) -> Mapping[int, int]:
        mine = [(self._topic, p) for p in partitions if self._reader.next_offset(p) is not None]
        return {partition: end for (_, partition), end in consumer.end_offsets(mine).items()} if mine else {}

    def _is_read(self, partition: int, end: int, stream_id: str) -> bool:
        at = self._reader.next_offset(partition)
        if at is None or at >= end:
            return True
        if partition in self._behind and partition in self._reader.held:
            log.warning("two partitions wait for each other, order is lost", stream_id=stream_id, partition=partition)
            return True
        return False
