"""Lets a record through once it is known where its stream goes on; until then its partition is held."""

import time
from collections.abc import Callable, Mapping

from hermes_ray.cluster.ingest.delivery.delivery import Delivery
from hermes_ray.cluster.ingest.intake.streams import IngestStream, IngestStreams
from hermes_ray.cluster.ingest.outbox import Outbox
from hermes_ray.cluster.ingest.partitions.foreign_partitions import ForeignPartitions
from hermes_ray.cluster.ingest.partitions.partition_reader import PartitionReader
from hermes_ray.cluster.wire.protocol import FramePosition, Resumption
from hermes_ray.errors import ClusterError, EngineError, EngineFailed, HermesError, MediaError, MessageError
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
        streams: where each stream is.
        check: raises what taking the record apart would raise.
        outbox: frames on their way.
        delivery: asks the owners.
        reader: whose partitions are held.
        topic: the frames topic.
        replay_s: how much of a stream may have been read and not be in its newest snapshot, seconds.
        patience_s: how long to wait for another ingest worker that commits nothing, seconds; then order is lost.
    """

    def __init__(
        self,
        streams: IngestStreams,
        check: Callable[[Record], None],
        outbox: Outbox,
        delivery: Delivery,
        reader: PartitionReader,
        topic: str,
        replay_s: float,
        patience_s: float,
    ) -> None:
        self._streams = streams
        self._check = check
        self._outbox = outbox
        self._delivery = delivery
        self._reader = reader
        self._topic = topic
        self._replay_s = replay_s
        self._following: dict[int, str] = {}  # by partition the stream at its head that follows others
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
        if not self._streams.knows(stream_id):
            if self._reader.held.get(record.partition) is not record and not self._is_usable(record):
                return True  # as above; or anybody could have a stream placed
            if not self._resumes(stream_id, record):
                return False
        if not self._is_in_order(stream_id, record, consumer):
            self._reader.hold(record)
            return False
        if self._following.pop(record.partition, None) == stream_id:
            self._streams[stream_id].stop_following()
        if not self._outbox.has_room_for(stream_id, len(self._streams)):
            self._reader.hold(record)
            return False
        return True

    def _is_usable(self, record: Record) -> bool:
        try:
            self._check(record)
        except (MessageError, MediaError):
            return False
        except Exception:
            log.exception("unexpected failure of a decoder", partition=record.partition, offset=record.offset)
            return False
        return True

    def _resumes(self, stream_id: str, record: Record) -> bool:
        """Ask the owner where to go on; meanwhile the record is held."""
        stream = self._streams[stream_id]
        is_new = record.partition not in self._reader.held
        if time.monotonic() >= stream.ask_not_before_s:
            at = self._ask(stream_id, stream, _FIRST_WAIT_S if is_new else 0.0)
            if at is not None:
                stream.resume(at, self._replay_s)
                log.info("stream resumes", stream_id=stream_id, positions=[tuple(p) for p in at.positions.values()])
                if at.behind:
                    self._go_back(record.partition, at.positions if at.log == self._streams.log else {})
                return not at.behind
        if not stream.asked_again:  # what is to be read before it may be other partitions by then
            self._stop_following(record.partition)
        self._reader.hold(record)
        return False

    def _ask(self, stream_id: str, stream: IngestStream, timeout_s: float) -> Resumption | None:
        try:
            return self._delivery.resume(stream_id, timeout_s)
        except ClusterError as error:
            stream.refuse(time.monotonic() + min(error.retry_after_s, _MOST_PAUSE_S))
            log.debug("stream waits for its owner", stream_id=stream_id, error=str(error))
        except EngineFailed as error:  # its process is about to end
            stream.refuse(time.monotonic() + _MOST_PAUSE_S)
            log.debug("stream waits for its owner", stream_id=stream_id, error=str(error))
        except EngineError:
            self._streams.forget(stream_id)
            raise
        except HermesError as error:  # a defect of its owner's, which must not end the other streams' ingest
            stream.refuse(time.monotonic() + _MOST_PAUSE_S)
            log.error("a stream's owner fails, asking again", stream_id=stream_id, error=str(error))
        return None

    def _stop_following(self, partition: int) -> None:
        stream_id = self._following.pop(partition, None)
        if stream_id is not None:
            self._streams.get(stream_id).stop_following()

    def _go_back(self, partition: int, positions: Mapping[int, FramePosition]) -> None:
        """A stream came back from an older snapshot than commits rest on: read from there again."""
        log.error("a stream is behind what was committed, reading older records again", partition=partition)
        for known, position in positions.items():
            self._reader.rewind(known, position.offset)
        if partition not in positions:
            self._reader.rewind(partition, 0)

    def _is_in_order(self, stream_id: str, record: Record, consumer: PartitionConsumer) -> bool:
        """Whether everything that the stream's former partitions held when it came to this one has been read."""
        former = self._streams.partitions_of(stream_id) - {record.partition}
        if not former or record.partition in self._streams.partitions_of(stream_id):
            return True
        stream = self._streams[stream_id]
        if stream.asked_again:
            return True
        if self._following.get(record.partition) != stream_id or not stream.former:
            self._stop_following(record.partition)
            ends = consumer.end_offsets([(self._topic, partition) for partition in former])
            stream.must_follow({partition: end for (_, partition), end in ends.items()})
            self._following[record.partition] = stream_id
            log.info("stream follows", stream_id=stream_id, partition=record.partition, after=stream.former)
        return self._has_followed(stream_id, stream, consumer)

    def _has_followed(self, stream_id: str, stream: IngestStream, consumer: PartitionConsumer) -> bool:
        mine = {p: end for p, end in stream.former.items() if self._reader.next_offset(p) is not None}
        if not all(self._is_read(partition, end, stream_id) for partition, end in mine.items()):
            return False
        others = {p: end for p, end in stream.former.items() if p not in mine}
        if not others:
            return True
        if self._outbox.holds(stream_id) or not self._elsewhere.are_read(
            stream_id, others, lambda partition: consumer.committed((self._topic, partition))
        ):
            return False
        stream.ask_again()
        return False

    def _is_read(self, partition: int, end: int, stream_id: str) -> bool:
        at = self._reader.next_offset(partition)
        if at is None or at >= end:
            return True
        if partition in self._following and partition in self._reader.held:
            log.warning("two partitions wait for each other, order is lost", stream_id=stream_id, partition=partition)
            return True
        return False
