"""Retention for an ingest worker whose broker keeps everything."""

from typing import Any


def remove_records(_: object, topic: str, partition: int, below: int) -> None:
    """Runs in the ingest worker: have kafka-python say what it says of records that are gone.

    A poll that was under way may still bring any record: wait until :func:`is_in_force`.
    """
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import OffsetOutOfRangeError

    gone = TopicPartition(topic, partition)
    poll, beginning_offsets = KafkaConsumer.poll, KafkaConsumer.beginning_offsets

    def refusing_poll(self: Any, *args: Any, **kwargs: Any) -> Any:
        refusing_poll.was_called = True
        if gone in self.assignment() and self.position(gone) < below:
            if self.end_offsets([gone])[gone] > below:
                raise OffsetOutOfRangeError({gone: self.position(gone)})
            self.pause(gone)  # until more than that was published
            try:
                return poll(self, *args, **kwargs)
            finally:
                self.resume(gone)
        return poll(self, *args, **kwargs)

    def later_beginning(self: Any, partitions: Any) -> Any:
        return {p: max(at, below if p == gone else 0) for p, at in beginning_offsets(self, partitions).items()}

    refusing_poll.was_called = False
    KafkaConsumer.poll = refusing_poll
    KafkaConsumer.beginning_offsets = later_beginning


def is_in_force(_: object) -> bool:
    """Runs in the ingest worker: whether it has polled since its records were removed."""
    from kafka import KafkaConsumer

    return KafkaConsumer.poll.was_called
