"""What the Coordinator tells of the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hermes_ray.cluster.wire.contracts import Location


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The Coordinator's directory at one moment.

    Attributes:
        memory_workers: names of those that are up.
        ingest_workers: names of those that are up.
        nodes: id of the Ray node of each memory worker that is up.
        moving: streams that are on their way from one memory worker to another.
    """

    locations: Mapping[str, Location] = field(default_factory=dict)
    memory_workers: tuple[str, ...] = ()
    ingest_workers: tuple[str, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()
