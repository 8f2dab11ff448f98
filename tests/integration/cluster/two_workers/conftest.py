from collections.abc import AsyncIterator

import pytest
from kafka import KafkaProducer

from hermes_ray.cluster.control.bringup.cluster import shutdown_cluster, wait_until_ready
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.transport.security import connection_options
from hermes_ray.transport.topics import ensure_topics
from tests.integration.cluster.two_workers.cameras import first_applied, show
from tests.integration.cluster.two_workers.faulty_worker import start_faulty_workers
from tests.integration.cluster.two_workers.system import PARTITIONS, TwoWorkers
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S


@pytest.fixture(scope="package")
async def system(ray_cluster, broker, tmp_path_factory) -> AsyncIterator[TwoWorkers]:
    """Running, and shown the first frames of the cameras."""
    settings = own_cluster(
        broker,
        memory={"slots": 8},
        kafka={"frames_partitions": PARTITIONS},
        video={"target_fps": 2.0},
        snapshots={"url": str(tmp_path_factory.mktemp("snapshots")), "interval_s": 1.0},
        events={"database": "auto"},
        cluster={"memory_workers": 2, "ingest_workers": 1, "max_inflight_frames": 8},
    )
    ensure_topics(settings.kafka)
    start_faulty_workers(settings, 2)
    wait_until_ready(settings, LIMIT_S)
    ends = show(settings, 0)
    client = await ClusterClient.connect(settings)
    producer = KafkaProducer(**connection_options(settings.kafka))
    yield TwoWorkers(settings, client, producer, await first_applied(client), ends)
    producer.close()
    shutdown_cluster(settings)
