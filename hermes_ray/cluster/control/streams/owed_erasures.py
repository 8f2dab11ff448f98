"""Erasures of events that are not done yet, beside the snapshots: one small document per stream."""

import json

from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.topic_ends import TopicEnds

log = get_logger(__name__)

_FOLDER = "owed-event-erasures"
_SUFFIX = ".json"


class OwedErasures:
    """Outlives the Coordinator. Blocks; one process writes. Methods raise ``SnapshotError`` where the store is away.

    Args:
        store: of the snapshots; ``None`` keeps nothing.
    """

    def __init__(self, store: SnapshotStore | None) -> None:
        self._store = store

    def load(self) -> dict[str, TopicEnds | None]:
        """By stream, where the topic of events ended when the stream was erased.

        ``None`` where it was about to be erased, and is perhaps not; also for a document that is damaged.
        """
        if self._store is None:
            return {}
        names = [name for name in self._store.documents(_FOLDER) if name.endswith(_SUFFIX)]
        return {name.removesuffix(_SUFFIX): _read(name, self._store.read_document(_FOLDER, name)) for name in names}

    def save(self, stream_id: str, topic: TopicEnds | None) -> None:
        """Note one, or what is known of it by now."""
        if self._store is not None:
            value = None if topic is None else {"log": topic.log, "ends": list(topic.ends.items())}
            self._store.put_document(_FOLDER, f"{stream_id}{_SUFFIX}", json.dumps(value).encode())

    def remove(self, stream_id: str) -> None:
        """It is done, or was never to be done."""
        if self._store is not None:
            self._store.remove_document(_FOLDER, f"{stream_id}{_SUFFIX}")


def _read(name: str, data: bytes) -> TopicEnds | None:
    try:
        value = json.loads(data)
        return None if value is None else TopicEnds(str(value["log"]), {int(p): int(end) for p, end in value["ends"]})
    except (KeyError, TypeError, ValueError) as error:
        log.error("a note of an erasure is damaged; it counts all the same", name=name, error=repr(error))
        return None
