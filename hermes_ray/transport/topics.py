"""The topics of this system: the one definition that code, tests and ``kafka/README.md`` refer to."""

import time
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, TransportError
from hermes_ray.transport.failures import translated
from hermes_ray.transport.security import connection_options

_HOUR_MS = 3_600_000
_FRAMES_RETENTION_MS = _HOUR_MS
"""Live video older than this is of no use; recovery needs minutes. One camera of 1 Mbit/s fills 450 MB."""
_DEAD_LETTERS_RETENTION_MS = 7 * 24 * _HOUR_MS
"""A week, so that a person who comes back from the weekend still finds them."""
_EVENTS_RETENTION_MS = 7 * 24 * _HOUR_MS
"""A week: for so long the database that keeps them may be away."""
_RECORD_OVERHEAD_BYTES = 64 * 1024
"""Room for key, headers and batch framing beside a value of ``max_record_bytes``."""
_BROKER_DEFAULT = -1
_COMPRESSION = "compression.type"
_COMPRESSION_DEFAULT = "producer"
"""Kafka's default, where a broker names only what differs from it: batches stay as their producers compressed them."""
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class TopicDefinition:
    """A topic as this system creates it.

    Attributes:
        partitions: how many; more allow more ingest workers, each stream lives in one.
        config: topic configuration in Kafka's own words.
    """

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def topic_definitions(settings: KafkaSettings) -> list[TopicDefinition]:
    """The topics that a deployment with these settings needs; replication is left to the brokers' default."""
    limits = {
        "max.message.bytes": str(settings.max_record_bytes + _RECORD_OVERHEAD_BYTES),
        # The broker unpacks what a producer compressed and checks its true size. kafka-python unpacks without a limit:
        # a batch of a few kilobytes could fill the memory of whoever reads it. Pictures and video do not shrink anyway.
        _COMPRESSION: "uncompressed",
    }
    return [
        TopicDefinition(
            settings.frames_topic,
            settings.frames_partitions,
            {"cleanup.policy": "delete", "retention.ms": str(_FRAMES_RETENTION_MS), **limits},
        ),
        TopicDefinition(
            settings.dead_letters_topic,
            1,
            {"cleanup.policy": "delete", "retention.ms": str(_DEAD_LETTERS_RETENTION_MS), **limits},
        ),
        TopicDefinition(
            settings.events_topic,
            1,
            {"cleanup.policy": "delete", "retention.ms": str(_EVENTS_RETENTION_MS), **limits},
        ),
    ]


def ensure_topics(settings: KafkaSettings) -> dict[str, int]:
    """Create the missing topics and wait until every one has a leader for each partition.

    An existing topic is left as it is, whatever its partitions and configuration. Safe to call from many
    processes at once.

    Returns:
        The number of partitions that each topic has.

    Raises:
        BrokerUnavailable: no broker answered, or a topic did not become usable, within ``request_timeout_s``.
        TransportError: the broker refuses to create a topic (permissions, policy).
    """
    with translated("creating topics", settings):
        admin: Any = KafkaAdminClient(**connection_options(settings))  # Any: checkers have stubs of 2.x
        try:
            definitions = topic_definitions(settings)
            usable = _count_partitions(admin, definitions)
            for definition in definitions:
                if definition.name not in usable:
                    _create(admin, definition)
            return _wait_until_usable(admin, definitions, settings)
        finally:
            admin.close()


def compression_of_frames(settings: KafkaSettings) -> str | None:
    """``compression.type`` of the frames topic, in Kafka's words; ``None`` if there is no such topic.

    Raises:
        BrokerUnavailable: no broker answered within ``request_timeout_s``.
        TransportError: the user may not read it.
    """
    topic = settings.frames_topic
    with translated("reading the frames topic's configuration", settings):
        admin: Any = KafkaAdminClient(**connection_options(settings))
        try:
            (described,) = admin.describe_topics([topic])
            if described["error_code"]:
                error = for_code(described["error_code"])
                if error is UnknownTopicOrPartitionError:
                    return None
                raise error
            everything = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        finally:
            admin.close()
    named = everything["topic"][topic].get(_COMPRESSION)
    return _COMPRESSION_DEFAULT if named is None else named["value"]


def _create(admin: Any, definition: TopicDefinition) -> None:
    wanted = {
        "num_partitions": definition.partitions,
        "replication_factor": _BROKER_DEFAULT,
        "configs": definition.config,
    }
    answer = admin.create_topics({definition.name: wanted}, raise_errors=False)
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        # Another process may have been quicker; that is what "ensure" means.
        if topic["error_code"] and error is not TopicAlreadyExistsError:
            raise TransportError(f"creating topic {definition.name}: {error.__name__}: {topic['error_message']}")


def _wait_until_usable(admin: Any, definitions: list[TopicDefinition], settings: KafkaSettings) -> dict[str, int]:
    deadline = time.monotonic() + settings.request_timeout_s
    while len(usable := _count_partitions(admin, definitions)) < len(definitions) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if len(usable) == len(definitions):
        return usable
    missing = [definition.name for definition in definitions if definition.name not in usable]
    raise BrokerUnavailable(f"topics {', '.join(missing)} have no leader after {settings.request_timeout_s:g} s")


def _count_partitions(admin: Any, definitions: list[TopicDefinition]) -> dict[str, int]:
    described: list[dict[str, Any]] = admin.describe_topics([definition.name for definition in definitions])
    return {topic["name"]: len(topic["partitions"]) for topic in described if _is_usable(topic)}


def _is_usable(topic: dict[str, Any]) -> bool:
    partitions = topic["partitions"]
    led = all(not partition["error_code"] and partition["leader_id"] >= 0 for partition in partitions)
    return not topic["error_code"] and bool(partitions) and led
