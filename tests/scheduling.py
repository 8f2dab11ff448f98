"""Which test process is given what, when several run side by side.

Tests of whole systems start, kill and await processes, and take gigabytes each: many at once starve each other, and one
alone leaves its core idle while it waits. Tests of parts need a core and little else. So some processes (one, unless
`TEST_SYSTEMS` says otherwise) run whole systems, the longest first, and all others the parts meanwhile; whoever has
nothing left of its own helps out.
"""

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

_SYSTEMS = (
    "chaos",
    "console",
    "deploy",
    "e2e",
    "integration/api",
    "integration/cluster",
    "integration/events/test_event_sink.py",
    "integration/ingest/test_ingest_loop.py",
    "integration/ingest/test_partition_growth.py",
)
"""What runs Ray, or a browser. All else are parts."""
_SHARING = ("console", "deploy", "integration/api", "integration/cluster/two_workers")
"""Folders whose files share what is dear to set up: each is given out as a whole."""
_SYSTEMS_AT_ONCE = int(os.environ.get("TEST_SYSTEMS", "1"))
_SECONDS = {
    "console": 175,
    "integration/cluster/two_workers": 165,
    "chaos/test_nodes_and_clusters.py": 155,
    "chaos/test_faults.py": 150,
    "e2e/test_first_hour.py": 85,
    "integration/cluster/test_moves.py": 75,
    "e2e/test_bench_serving.py": 70,
    "e2e/test_bench_recovery.py": 70,
    "integration/api": 65,
    "e2e/test_demo.py": 65,
    "deploy": 40,
    "e2e/test_signals.py": 30,
    "chaos/test_one_worker.py": 25,
    "integration/ingest/test_partition_growth.py": 25,
    "integration/events/test_event_sink.py": 15,
    "integration/events/test_refused_events.py": 12,
    "integration/events/test_event_outbox.py": 9,
    "integration/transport/test_cameras_command.py": 8,
    "integration/transport/test_foreign_producer.py": 8,
    "integration/transport/test_transport.py": 9,
    "unit/api/contract/test_contract.py": 70,
    "unit/bench/public/test_run.py": 30,
    "unit/engine/encoding/unchanged_patches/test_going_on.py": 25,
    "unit/engine/graphs/test_graphs.py": 25,
    "unit/bench/test_engine.py": 22,
    "unit/cli/test_joining.py": 20,
    "unit/api/serving/test_metrics.py": 18,
    "unit/cluster/control/bringup/test_ray_address.py": 18,
    "unit/engine/answering/test_background.py": 14,
    "unit/engine/answering/test_asking.py": 13,
    "unit/engine/encoding/test_memory_writing.py": 13,
    "unit/video/sources/test_rtsp_source.py": 13,
}
"""About how long what is given out as one takes, estimated; only the order counts. `pytest --durations=60` measures."""


def in_order(items: list[pytest.Item], tests: Path) -> list[pytest.Item]:
    """Whole systems, the longest first, and behind them the parts, the longest last.

    Args:
        items: what was collected.
        tests: the folder of all tests.

    Raises:
        UsageError: something that is named here is not there any more.
    """
    if gone := {name for name in (*_SYSTEMS, *_SHARING, *_SECONDS) if not (tests / name).exists()}:
        raise pytest.UsageError(f"{__file__}: remove {', '.join(sorted(gone))}")

    def place(item: pytest.Item) -> tuple[bool, int]:
        unit = _unit(item.path.relative_to(tests))
        of_parts, seconds = not any(Path(unit).is_relative_to(one) for one in _SYSTEMS), _SECONDS.get(unit, 0)
        return of_parts, seconds if of_parts else -seconds

    return sorted(items, key=place)


class SystemsBesideParts(LoadScopeScheduling):
    """Gives files, and folders that share something, to test processes. The collected items are :func:`in_order`."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit(Path(nodeid.partition("::")[0]).relative_to("tests"))

    def _assign_work_unit(self, node: WorkerController) -> None:
        for_systems = max(1, min(_SYSTEMS_AT_ONCE, len(self.nodes) - 1))
        if node in self.nodes[:-for_systems]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def _unit(path: Path) -> str:
    """What a test file is given out with: itself, or its whole folder."""
    return next((folder for folder in _SHARING if path.is_relative_to(folder)), path.as_posix())
