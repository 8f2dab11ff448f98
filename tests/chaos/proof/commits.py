"""What is committed to Kafka never depends on a process that can die: it is in a stored snapshot."""

import time

from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.cursor import StreamCursor
from hermes_ray.config import Settings
from hermes_ray.errors import SnapshotError
from hermes_ray.memory import snapshot
from hermes_ray.transport.consumer import PartitionConsumer
from tests.chaos.load.cameras import Cameras
from tests.patience import LIMIT_S


def committed(consumer: PartitionConsumer, settings: Settings) -> dict[int, int]:
    """The group's offset on every partition."""
    topic = settings.kafka.frames_topic
    return {p: consumer.committed((topic, p)) or 0 for p in range(settings.kafka.frames_partitions)}


def assert_behind_snapshots(settings: Settings, cameras: Cameras, fingerprint: str) -> None:
    """Every record below a committed offset is covered by the newest snapshot of its stream."""
    with PartitionConsumer(settings.kafka) as consumer:
        offsets = committed(consumer, settings)  # before the snapshots are read, which only grow
    covered = _cursors(settings, fingerprint)
    for stream, sent in cameras.sent.items():
        deliveries = (future.result() for future in reversed(list(sent)) if future.done())
        below = next((at for at in deliveries if at.offset < offsets[at.partition]), None)
        if below is not None:
            position = covered[stream].positions[below.partition]
            names = [str(name) for name in SnapshotStore(settings.snapshots).names(stream)]
            assert position.offset >= below.offset, (
                f"{stream}: {below} is committed, {names[0]} of {names} at {position}"
            )


def until_all_committed(settings: Settings, cameras: Cameras) -> None:
    """Wait until lag tools see no lag: then every frame is in a snapshot too."""
    ends = cameras.ends()
    deadline_s = time.monotonic() + LIMIT_S
    with PartitionConsumer(settings.kafka) as consumer:
        while {p: at for p, at in committed(consumer, settings).items() if p in ends} != ends:
            assert time.monotonic() < deadline_s, f"committed {committed(consumer, settings)}, published up to {ends}"
            time.sleep(0.3)


def _cursors(settings: Settings, fingerprint: str) -> dict[str, StreamCursor]:
    store = SnapshotStore(settings.snapshots)
    found = {}
    for stream in store.streams():
        try:
            data = store.read(stream, store.names(stream)[0])
        except SnapshotError:  # just made way for a newer one
            data = store.read(stream, store.names(stream)[0])
        found[stream] = StreamCursor.from_json(snapshot.load(data, fingerprint).extra["caller"]["cursor"])
    return found
