"""A whole machine dies: its streams come back on the others or on the one that replaces it, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.chaos.proof.undisturbed import FRAME_BY_FRAME
from tests.own_cluster import own_cluster
from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def test_nothing_is_lost_when_a_whole_node_dies(broker: EmbeddedBroker, tmp_path: Path) -> None:
    settings = own_cluster(
        broker,
        memory={"slots": 4},
        engine=FRAME_BY_FRAME,
        kafka={"frames_partitions": 2},
        video={"target_fps": 1.0},
        snapshots={"url": str(tmp_path / "snapshots"), "interval_s": 1.0},
        cluster={
            # Of a node's one CPU: a memory worker, an ingest worker and a router fit, two memory workers do not.
            "memory_workers": 2,
            "memory_worker_cpus": 0.55,
            "ingest_workers": 2,
            "ingest_worker_cpus": 0.3,
            "move_after_s": 15.0,
        },
        api={"port": 0},
    )
    ensure_topics(settings.kafka)
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json(), encoding="utf-8")
    # In a process of its own: a driver is connected to one Ray, and the other tests share theirs.
    command = [sys.executable, "-m", "tests.chaos.faults.node_loss", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=1.5 * LIMIT_S)
