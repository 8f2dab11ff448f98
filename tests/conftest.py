"""Shared by all tests: one broker and one Ray per session, for those that ask for them."""

import logging
import os
import tempfile
from uuid import uuid4

# Tests run beside one another's child processes on few cores, where OpenMP's spinning threads slow each other down;
# the models here are too small to gain from a second thread. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import ray

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.embedded import EmbeddedBroker


@pytest.fixture(scope="session")
def broker():
    """One real broker for the whole session; tests keep apart by topic names."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def kafka_settings(broker):
    """Settings with topics and a group that no other test uses. The topics do not exist yet."""
    unique = uuid4().hex[:8]
    return KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        frames_topic=f"frames-{unique}",
        dead_letters_topic=f"dead-letters-{unique}",
        frames_partitions=4,
        group_id=f"group-{unique}",
        request_timeout_s=5.0,
        max_record_bytes=512 * 1024,
    )


@pytest.fixture(scope="session")
def ray_cluster():
    """One Ray for the whole session; tests keep apart by namespaces and end their actors."""
    # Not pytest's own directory: Ray puts sockets there, whose paths must stay short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        ray.init(
            address="local",
            num_cpus=4,  # Ray only counts; two cores do
            object_store_memory=200 * 1024 * 1024,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=directory,
        )
        yield
        ray.shutdown()
