"""A Ray cluster of several nodes on this machine, whose nodes die as machines do: all their processes at once."""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from tests.ray_head import ray_head

_OBJECT_STORE_BYTES = 80 * 1024 * 1024


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
def ray_nodes() -> Iterator[RayNodes]:
    """A head that offers no CPU, as the chart's, and this process connected to it."""
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory,
        ray_head(directory, num_cpus=0, object_store_bytes=_OBJECT_STORE_BYTES) as cluster,
    ):
        try:
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
            yield RayNodes(cluster)
        finally:
            ray.shutdown()
