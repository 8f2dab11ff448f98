"""Reading Kafka by explicit assignment: the caller owns every position, Kafka owns none.

The model is Flink's: partitions come from the Coordinator, start offsets from the snapshots. The consumer
group is a name under which progress is committed for lag tools; nobody ever joins it.
"""

import struct
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer
from kafka.errors import CorruptRecordError, OffsetOutOfRangeError, UnsupportedCodecError
from kafka.structs import OffsetAndMetadata, TopicPartition

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, OffsetOutOfRange, TransportError, UnreadableRecord
from hermes_ray.transport.codecs import codec_of_failed_batch, decompression_failures, remedy
from hermes_ray.transport.failures import describe, translated
from hermes_ray.transport.record import Record
from hermes_ray.transport.security import connection_options

PartitionId = tuple[str, int]
"""Topic and partition number."""

_RECORD_OVERHEAD_BYTES = 64 * 1024
"""Key, headers and batch framing beside the value of a record of the largest size."""
_FETCHES_IN_MEMORY = 2
"""One fetch response holds at most this many records of the largest size; bounds memory however many partitions."""
_LONGEST_FETCH_WAIT_MS = 250
"""How long the broker may hold a fetch that finds nothing."""
_METADATA_AGE_MS = 30_000
"""How soon a moved leader or a new partition is noticed without an error to point at it."""
_CLOSE_LIMIT_S = 2.0

_PARSE_FAILURES = (
    CorruptRecordError,
    UnsupportedCodecError,
    IndexError,
    ValueError,  # includes UnicodeDecodeError: a header name that is not UTF-8
    struct.error,
)
"""What kafka-python raises from :meth:`KafkaConsumer.poll` for bytes that it cannot take apart."""


class PartitionConsumer:
    """Reads assigned partitions from given offsets.

    Not thread-safe: create, use and close it in one thread. kafka-python runs its own I/O thread inside; the
    broker being away is no error for :meth:`poll`, which returns nothing until it is back.

    Args:
        settings: where and how to connect; ``group_id`` names the commits.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._timeout_ms = round(settings.request_timeout_s * 1000)
        self._stuck: dict[TopicPartition, UnreadableRecord] = {}
        fetch_bytes = settings.max_record_bytes + _RECORD_OVERHEAD_BYTES
        options = connection_options(settings) | {
            "group_id": settings.group_id,
            "enable_auto_commit": False,
            "isolation_level": "read_committed",  # what a producer has taken back is no frame (KIP-98)
            "auto_offset_reset": "none",  # a silent reset would hide lost frames
            "allow_auto_create_topics": False,
            "max_partition_fetch_bytes": fetch_bytes,
            "fetch_max_bytes": _FETCHES_IN_MEMORY * fetch_bytes,
            "fetch_max_wait_ms": min(_LONGEST_FETCH_WAIT_MS, self._timeout_ms // 2),
            "metadata_max_age_ms": _METADATA_AGE_MS,
            "metrics_enabled": False,
        }
        with translated("connecting a consumer", settings):
            # Any: the type stubs that checkers bring along describe kafka-python 2.
            self._kafka: Any = KafkaConsumer(**options)
        self._topics: Any = self._kafka._client.cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def assign(self, positions: Mapping[PartitionId, int]) -> None:
        """Read exactly these partitions, each from its offset; replaces the former assignment.

        Asks no broker: an offset that its partition does not hold shows in :meth:`poll`. A partition that stays
        assigned at its present position keeps what was fetched ahead.
        """
        present = {partition: self.position(_identify(partition)) for partition in self._kafka.assignment()}
        wanted = {TopicPartition(*partition): offset for partition, offset in positions.items()}
        kept = [tp for tp, offset in wanted.items() if present.get(tp) == offset and tp not in self._stuck]
        # Assigned anew, a partition forgets the end that an earlier fetch reported; that may be long past.
        self._kafka.assign(kept)
        self._kafka.assign(list(wanted))
        for partition in wanted.keys() - set(kept):
            self._kafka.seek(partition, wanted[partition])
        self._stuck = {}

    def seek(self, partition: PartitionId, offset: int) -> None:
        """Go on reading an assigned partition from another offset; see :meth:`assign`."""
        positions = self.positions()
        if partition not in positions:
            raise ValueError(f"{partition[0]}[{partition[1]}] is not assigned")
        self.assign(positions | {partition: offset})

    def positions(self) -> dict[PartitionId, int]:
        """Every assigned partition and the offset of its next record; see :meth:`position`."""
        return {_identify(assigned): self.position(_identify(assigned)) for assigned in self._kafka.assignment()}

    def poll(self, timeout_s: float, max_records: int = 500) -> list[Record]:
        """Next records, oldest first within each partition; empty when none came in time.

        Args:
            timeout_s: longest wait for the first record, seconds.
            max_records: the most to return; the rest stays for the next call.

        Raises:
            OffsetOutOfRange: a partition does not hold its next offset: retention removed it, or the log ends
                before it (a broker that lost data). Nothing is skipped: raised again until the caller, having
                recorded the gap, seeks.
            UnreadableRecord: the client cannot parse the next record of a partition (a header name that is not
                UTF-8, a damaged batch). Raised again until the caller seeks past it. The rest of its batch, all
                from the same producer, may be unreadable too and is then reported offset by offset.
        """
        for stuck in self._stuck.values():
            raise stuck
        try:
            self._refuse_to_wait_beyond_the_end()
            with translated("polling", self._settings):
                polled = self._fetch(timeout_s, max_records)
        except BrokerUnavailable:
            return []
        return [_to_record(raw) for records in polled.values() for raw in records]

    def commit(self, next_offsets: Mapping[PartitionId, int]) -> None:
        """Publish progress under ``group_id``, for lag tools and for people.

        Args:
            next_offsets: per partition the offset after the last record that is safe. Call this only with
                offsets that a snapshot covers.

        Raises:
            BrokerUnavailable: not confirmed in time; the former commit stands or this one holds.
        """
        offsets = {TopicPartition(*key): OffsetAndMetadata(offset, "", -1) for key, offset in next_offsets.items()}
        with translated("committing offsets", self._settings):
            self._kafka.commit(offsets, timeout_ms=self._timeout_ms)

    def committed(self, partition: PartitionId) -> int | None:
        """Offset last committed under ``group_id``, by anyone; ``None`` if there is none.

        Raises:
            BrokerUnavailable: no answer in time.
        """
        with translated("reading committed offsets", self._settings):
            return self._kafka.committed(TopicPartition(*partition), timeout_ms=self._timeout_ms)

    def position(self, partition: PartitionId) -> int:
        """Offset of the next record that :meth:`poll` will return from an assigned partition."""
        with translated("reading a position", self._settings):
            return self._kafka.position(TopicPartition(*partition), timeout_ms=self._timeout_ms)

    def beginning_offsets(self, partitions: Collection[PartitionId]) -> dict[PartitionId, int]:
        """Oldest offset that each partition holds. Raises ``BrokerUnavailable``, also for an unknown partition."""
        with translated("reading beginning offsets", self._settings):
            found = self._kafka.beginning_offsets([TopicPartition(*partition) for partition in partitions])
        return {_identify(partition): offset for partition, offset in found.items()}

    def end_offsets(self, partitions: Collection[PartitionId]) -> dict[PartitionId, int]:
        """Offset that the next record of each partition will get. Raises as :meth:`beginning_offsets`."""
        with translated("reading end offsets", self._settings):
            found = self._kafka.end_offsets([TopicPartition(*partition) for partition in partitions])
        # Tansu counts a last batch of many records as one here, but reports the true end with every fetch.
        seen = {partition: self._kafka.highwater(partition) or 0 for partition in self._kafka.assignment()}
        return {_identify(partition): max(offset, seen.get(partition, 0)) for partition, offset in found.items()}

    def lag(self) -> dict[PartitionId, int]:
        """Records that wait in each assigned partition: its end minus its position. Raises ``BrokerUnavailable``."""
        partitions = [_identify(partition) for partition in self._kafka.assignment()]
        ends = self.end_offsets(partitions)
        return {partition: max(0, ends[partition] - self.position(partition)) for partition in partitions}

    def partitions_for(self, topic: str) -> list[int]:
        """Partition numbers of a topic, asked anew from the broker; empty if there is no such topic.

        Raises:
            BrokerUnavailable: no answer in time.
        """
        with translated("listing partitions", self._settings):
            self._look_at_topics()
            return sorted(self._topics.partitions_for_topic(topic) or ())

    def identity_of(self, topic: str) -> str:
        """Tells a topic from another of the same name, such as one that was deleted and created again.

        The broker's id of the topic where it gives one (KIP-516, Kafka 2.8 and later), else cluster and name.

        Raises:
            BrokerUnavailable: no answer in time.
        """
        with translated("reading a topic's id", self._settings):
            self._look_at_topics()
            identity = self._topics.topic_id(topic)
        return f"{self._topics.cluster_id}/{topic}" if identity is None else str(identity)

    def close(self) -> None:
        """Stop reading and drop connections, within about two seconds. Commits nothing. Safe to repeat."""
        self._kafka.close(autocommit=False, timeout_ms=round(_CLOSE_LIMIT_S * 1000))

    def _look_at_topics(self) -> None:
        # As KafkaConsumer.topics(), which waits for ever. An update that is under way may be older than this question.
        self._topics.need_all_topic_metadata = True
        for _ in range(2 if self._topics.metadata_refresh_in_progress else 1):
            self._kafka._net.run(self._kafka._manager.wait_for, self._topics.request_update(), self._timeout_ms)

    def _fetch(self, timeout_s: float, max_records: int) -> dict[TopicPartition, list[Any]]:
        try:
            return self._kafka.poll(timeout_ms=round(timeout_s * 1000), max_records=max_records)
        except OffsetOutOfRangeError as error:
            raise self._gap(error) from error
        except _PARSE_FAILURES as error:
            raise self._unreadable(error) from error
        except decompression_failures() as error:
            if codec_of_failed_batch(error) is None:
                raise  # of something else
            raise self._unreadable(error) from error

    def _refuse_to_wait_beyond_the_end(self) -> None:
        # Some brokers answer a fetch beyond the end with nothing instead of an error; it would wait for ever.
        for partition in self._kafka.assignment():
            seen_end = self._kafka.highwater(partition)
            if seen_end is not None and seen_end < self.position(_identify(partition)):
                self._confirm_beyond_the_end(_identify(partition))

    def _confirm_beyond_the_end(self, partition: PartitionId) -> None:
        # The end seen in a fetch may fall back for a moment after a change of leader; ask explicitly.
        offset, end = self.position(partition), self.end_offsets([partition])[partition]
        if end < offset:
            raise OffsetOutOfRange(*partition, offset, self.beginning_offsets([partition])[partition], end)

    def _gap(self, error: OffsetOutOfRangeError) -> OffsetOutOfRange:
        lost, offset = next(iter(error.args[0].items()))
        partition = _identify(lost)
        beginning, end = self.beginning_offsets([partition]), self.end_offsets([partition])
        return OffsetOutOfRange(*partition, offset, beginning[partition], end[partition])

    def _unreadable(self, error: Exception) -> UnreadableRecord:
        # kafka-python says neither where it stumbled nor does it go on: without a seek its next poll would
        # spin for ever on the exhausted batch. The fetcher's batch in hand is the one that failed.
        batch = self._kafka._fetcher._next_partition_records
        if batch is None:
            raise TransportError(f"polling: {describe(error)}")
        partition: TopicPartition = batch.topic_partition
        offset = self.position(_identify(partition))
        codec = codec_of_failed_batch(error)
        compressed = "" if codec is None else f", in a batch compressed with {codec}: {remedy(error, codec)}"
        stuck = UnreadableRecord(partition.topic, partition.partition, offset, f"{describe(error)}{compressed}")
        self._stuck[partition] = stuck
        return stuck


def _identify(partition: TopicPartition) -> PartitionId:
    return partition.topic, partition.partition


def _to_record(raw: Any) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=-1 if raw.timestamp is None else raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers or ()),
    )
