"""Erasures of events that are not done yet, beside the snapshots: one small document per stream."""

import json
from typing import Any, NamedTuple

from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.topic_ends import TopicEnds

log = get_logger(__name__)

_FOLDER = "owed-event-erasures"
_SUFFIX = ".json"


class Owed(NamedTuple):
    """What is known of an erasure of events.

    Attributes:
        topic: where the topic of events ended when the stream was erased; ``None``: nobody has asked yet.
        epoch: of the stream, up to which it was erased; 0: that is not known, and perhaps it was not.
    """

    topic: TopicEnds | None = None
    epoch: int = 0


class OwedErasures:
    """Outlives the Coordinator. Blocks; one process writes. Methods raise ``SnapshotError`` where the store is away.

    Args:
        store: of the snapshots; ``None`` keeps nothing.
    """

    def __init__(self, store: SnapshotStore | None) -> None:
        self._store = store

    def load(self) -> dict[str, Owed]:
        """By stream; nothing is known where it was about to be erased, nor of a document that is damaged."""
        if self._store is None:
            return {}
        names = [name for name in self._store.documents(_FOLDER) if name.endswith(_SUFFIX)]
        return {name.removesuffix(_SUFFIX): _read(name, self._store.read_document(_FOLDER, name)) for name in names}

    def save(self, stream_id: str, owed: Owed) -> None:
        """Note one, or what is known of it by now."""
        if self._store is not None:
            topic = {} if owed.topic is None else {"log": owed.topic.log, "ends": list(owed.topic.ends.items())}
            value = {"epoch": owed.epoch, **topic}
            self._store.put_document(_FOLDER, f"{stream_id}{_SUFFIX}", json.dumps(value).encode())

    def remove(self, stream_id: str) -> None:
        """It is done, or was never to be done."""
        if self._store is not None:
            self._store.remove_document(_FOLDER, f"{stream_id}{_SUFFIX}")


def _read(name: str, data: bytes) -> Owed:
    try:
        value: dict[str, Any] = json.loads(data) or {}  # of an older release null, and without an epoch
        ends = {int(part): int(end) for part, end in value["ends"]} if "log" in value else None
        return Owed(None if ends is None else TopicEnds(str(value["log"]), ends), int(value.get("epoch", 0)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        log.error("a note of an erasure is damaged; it counts all the same", name=name, error=repr(error))
        return Owed()
