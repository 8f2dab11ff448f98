"""Shared by all tests: one broker and one Ray per session, for those that ask for them.

The process that hands out tests to others, and runs none, loads this too: what is large is imported where it is used.
"""

import gc
import logging
import os
import shutil
import tempfile
from pathlib import Path
from uuid import uuid4

# Tests run beside one another's child processes on few cores, where OpenMP's spinning threads slow each other down;
# the models here are too small to gain from a second thread. Where a worker has several, they sleep while they wait.
# Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import hypothesis
import pytest

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.embedded import EmbeddedBroker
from tests import scheduling
from tests.durable_broker import BUCKET, DurableBroker
from tests.object_store import ObjectStore

# Amazon's client reads its settings from there, in this process and in Ray's workers; never a developer's own.
_AWS = Path(tempfile.gettempdir()) / f"hermes-ray-tests-{os.getpid()}-aws.ini"
os.environ.update(AWS_CONFIG_FILE=str(_AWS), AWS_SHARED_CREDENTIALS_FILE=str(_AWS))
for _variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
    os.environ.pop(_variable, None)


# Test processes run side by side: none may find another's Ray by the address that Ray notes there.
os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ray-")

# Ray gives its workers the lowest rank on a machine: beside other tests they would hardly run. And Serve's controller
# looks at what it controls 10 times a second, Ray's agent at all processes every 5 s: a third of an idle Ray's cost.
os.environ.update(RAY_worker_niceness="0", RAY_SERVE_CONTROL_LOOP_INTERVAL_S="0.5", REPORTER_UPDATE_INTERVAL_MS="60000")

# What systems under test keep, such as events, is never a developer's own.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="state-")

_TESTS = Path(__file__).parent

# A machine that is busy with other tests is slow, and not wrong.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Without looking for garbage, which takes a third of the time: what is loaded stays, and is not searched later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Without a GPU its tests are left out."""
    if of_gpu := [item for item in items if item.get_closest_marker("gpu")]:
        import torch

        for item in of_gpu if not torch.cuda.is_available() else ():
            item.add_marker(pytest.mark.skip(reason="torch finds no GPU that CUDA can use"))
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = scheduling.in_order(items, _TESTS)


@pytest.hookimpl(optionalhook=True)  # also without xdist's plugin
def pytest_xdist_make_scheduler(config, log):
    """What a test process is given at once."""
    return scheduling.SystemsBesideParts(config, log)


def pytest_unconfigure():
    for variable in ("RAY_TMPDIR", "XDG_STATE_HOME"):
        shutil.rmtree(os.environ[variable], ignore_errors=True)


@pytest.fixture
def root_logger_restored():
    """For tests that set up logs in this process: a handler must not outlive the stream that it writes to."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session")
def broker():
    """One real broker for the whole session; tests keep apart by topic names."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="session")
def object_store(tmp_path_factory):
    """A real object store, found by every process of the tests; the bucket ``snapshots`` is for those."""
    with ObjectStore(tmp_path_factory.mktemp("object-store") / "data", BUCKET, "snapshots") as store:
        _AWS.write_text(store.configuration)
        yield store
    _AWS.unlink()


@pytest.fixture(scope="session")
def durable_broker(object_store, tmp_path_factory):
    """A broker that may be killed: its records are in the object store. Whoever kills it starts it again."""
    with DurableBroker(object_store, tmp_path_factory.mktemp("durable-broker") / "broker.log") as broker:
        yield broker


@pytest.fixture
def kafka_settings(broker):
    """Settings with topics and a group that no other test uses. The topics do not exist yet."""
    unique = uuid4().hex[:8]
    return KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        frames_topic=f"frames-{unique}",
        dead_letters_topic=f"dead-letters-{unique}",
        events_topic=f"events-{unique}",
        frames_partitions=4,
        group_id=f"group-{unique}",
        request_timeout_s=5.0,
        max_record_bytes=512 * 1024,
    )


@pytest.fixture(scope="session")
def ray_cluster():
    """One Ray for the whole session; tests keep apart by namespaces and end their actors."""
    import ray

    from tests.ray_head import ray_head

    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory,
        ray_head(directory, num_cpus=4, object_store_bytes=200 * 1024 * 1024) as head,
    ):
        ray.init(address=head.address, log_to_driver=False, logging_level=logging.ERROR)
        yield
        ray.shutdown()
