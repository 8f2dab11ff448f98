"""A Ray cluster of several nodes on this machine, whose nodes die as machines do: all their processes at once."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from tests.ray_head import ray_head

_OBJECT_STORE_BYTES = 80 * 1024 * 1024
_OF_A_HEAD_ALONE = 4


class RayNodes:
    """Nodes of one Ray cluster. Use :func:`ray_nodes`; this process is the driver of no other cluster meanwhile."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: dict[str, Any] = {}

    def add(self) -> str:
        """A node more, with one CPU; returns its id."""
        node = self._cluster.add_node(num_cpus=1, object_store_memory=_OBJECT_STORE_BYTES)
        self._nodes[node.node_id] = node
        return node.node_id

    def kill(self, node_id: str) -> None:
        """End every process of a node with SIGKILL: its raylet, its agents, and the actors on it."""
        node = self._nodes.pop(node_id)
        started = [info.process.pid for processes in node.all_processes.values() for info in processes]
        roots = [psutil.Process(pid) for pid in started if psutil.pid_exists(pid)]
        family = [child for root in roots for child in root.children(recursive=True)]
        for process in [*roots, *family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(node, allow_graceful=False)  # only takes note: nothing of it is alive


@contextlib.contextmanager
def ray_nodes(directory: str, count: int) -> Iterator[RayNodes]:
    """So many nodes beside a head that offers no CPU, as the chart's; or a head alone. This process is connected to it.

    Args:
        directory: for everything of this Ray; see :func:`ray_head`.
        count: of nodes beside the head. With none the head offers CPUs, and nothing but it can be killed.
    """
    with ray_head(directory, num_cpus=0 if count else _OF_A_HEAD_ALONE, object_store_bytes=_OBJECT_STORE_BYTES) as head:
        nodes = RayNodes(head)
        for _ in range(count):
            nodes.add()
        try:
            ray.init(address=head.address, log_to_driver=False, logging_level="ERROR")
            yield nodes
        finally:
            ray.shutdown()
