"""Lets a record through once it is known where its stream goes on; until then its partition is held."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from hermes_ray.cluster.ingest.delivery import Delivery
from hermes_ray.cluster.ingest.foreign_partitions import ForeignPartitions
from hermes_ray.cluster.ingest.intake import RecordIntake
from hermes_ray.cluster.ingest.outbox import Outbox
from hermes_ray.cluster.ingest.partition_reader import PartitionReader
from hermes_ray.cluster.wire.protocol import FramePosition
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
    keeps order only within a partition; that is done once per stream and partition. Where another ingest worker reads
    a former partition, its commits tell, and the owner is asked again what it has seen by then. Every record waits
    until its stream has less than its share of the frames on their way.

    Args:
        intake: knows the streams that go on.
        outbox: frames on their way.
        delivery: asks the owners.
        reader: whose partitions are held.
        topic: the frames topic.
        patience_s: how long to wait for another ingest worker that commits nothing, seconds; then order is lost.
    """

    def __init__(
        self,
        intake: RecordIntake,
        outbox: Outbox,
        delivery: Delivery,
        reader: PartitionReader,
        topic: str,
        patience_s: float,
    ) -> None:
        self._intake = intake
        self._outbox = outbox
        self._delivery = delivery
        self._reader = reader
        self._topic = topic
        self._not_before_s: dict[str, float] = {}
        # By partition that is held until others are read so far.
        self._behind: dict[int, _Wait] = {}
        self._elsewhere = ForeignPartitions(patience_s)

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
        self._give_up_waiting(stream_id, record.partition)
        self._reader.hold(record)
        return False

    def _give_up_waiting(self, stream_id: str, partition: int) -> None:
        """The stream's owner is not known: what is to be read before this may be other partitions by then."""
        wait = self._behind.get(partition)
        if wait is not None and not (wait.asked_again and wait.stream_id == stream_id):
            del self._behind[partition]

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
        wait = self._behind.get(record.partition)
        if wait is None or wait.stream_id != stream_id:
            ends = consumer.end_offsets([(self._topic, partition) for partition in former])
            wait = _Wait(stream_id, {partition: end for (_, partition), end in ends.items()})
            log.info(
                "stream came to another partition", stream_id=stream_id, partition=record.partition, behind=wait.ends
            )
            self._behind[record.partition] = wait
        return wait.asked_again or self._is_over(wait, consumer)

    def _is_over(self, wait: "_Wait", consumer: PartitionConsumer) -> bool:
        mine = {
            partition: end for partition, end in wait.ends.items() if self._reader.next_offset(partition) is not None
        }
        if not all(self._is_read(partition, end, wait.stream_id) for partition, end in mine.items()):
            return False
        others = {partition: end for partition, end in wait.ends.items() if partition not in mine}
        if not others:
            return True
        if self._outbox.holds(wait.stream_id) or not self._elsewhere.are_read(
            wait.stream_id, others, lambda partition: consumer.committed((self._topic, partition))
        ):
            return False
        self._intake.forget(wait.stream_id)  # others have sent frames since its owner was asked
        wait.asked_again = True
        return False

    def _is_read(self, partition: int, end: int, stream_id: str) -> bool:
        at = self._reader.next_offset(partition)
        if at is None or at >= end:
            return True
        if partition in self._behind and partition in self._reader.held:
            log.warning("two partitions wait for each other, order is lost", stream_id=stream_id, partition=partition)
            return True
        return False


@dataclass(slots=True)
class _Wait:
    """Of a partition, until others are read up to these offsets.

    Attributes:
        asked_again: others have read so far, and what the owner had seen before is forgotten.
    """

    stream_id: str
    ends: Mapping[int, int]
    asked_again: bool = False
