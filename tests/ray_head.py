"""The head of a Ray of the tests' own, without what Ray starts beside it and no test asks for."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

_NOBODY_ASKS = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
"""Logs are read from files where a test fails, and nothing scales by itself."""


@contextlib.contextmanager
def ray_head(directory: str, num_cpus: int, object_store_bytes: int) -> Iterator[Cluster]:
    """A running head, ended with the block. The driver connects by itself.

    Args:
        directory: for everything of this Ray. Not pytest's own: Ray puts sockets there, whose paths must stay short.
        num_cpus: that it offers; Ray only counts.
        object_store_bytes: of shared memory.
    """
    head = {"num_cpus": num_cpus, "object_store_memory": object_store_bytes, "temp_dir": directory, **_NOBODY_ASKS}
    with _address_noted_in(directory):
        cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def _address_noted_in(directory: str) -> Iterator[None]:
    """Have Ray note the address there, and not where processes look that are to start a Ray of their own."""
    (Path(directory) / "ray").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", directory)
        yield
