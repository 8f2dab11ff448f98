"""FrameIngestActor: one ingest loop in a thread, and its controls for the Coordinator."""

import os
from collections.abc import Mapping
from functools import partial
from threading import Thread

from hermes_ray.cluster.ingest.partitions.commit_permit import CommitPermit, ask_coordinator
from hermes_ray.cluster.wire.contracts import IngestCounts
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth, OwnersChanged
from hermes_ray.config import Settings
from hermes_ray.garbage import loading_for_good
from hermes_ray.observability.logs import configure_logs, get_logger

log = get_logger(__name__)

_STOP_LIMIT_S = 8.0
"""A last commit and the closing of connections, which have their own limits of a few seconds."""


class FrameIngestActor:
    """Reads the partitions that the Coordinator assigns and feeds the streams' owners.

    Made into a Ray actor by the Coordinator, with threads instead of an event loop: the loop's waiting calls to Ray
    would block one.

    Args:
        name: of the actor.
        settings: the whole tree.
        shared_store: another cluster may use the same snapshot store, so the Coordinator knows who may commit.
    """

    def __init__(self, name: str, settings: Settings, shared_store: bool) -> None:
        with loading_for_good():
            from hermes_ray.cluster.ingest.loop import IngestLoop  # whoever creates the actor needs no codec

        configure_logs(settings.log, actor=name)
        permit = CommitPermit(partial(ask_coordinator, settings.cluster.namespace) if shared_store else None)
        self._loop = IngestLoop(settings, permit)
        self._thread = Thread(target=self._run, name="ingest-loop", daemon=True)
        self._thread.start()

    def health(self) -> IngestHealth:
        """What the worker is doing."""
        return self._loop.health()

    def assign(self, assignment: Assignment) -> None:
        """Read these partitions from now on."""
        self._loop.assign(assignment)

    def owners_changed(self, news: OwnersChanged) -> None:
        """Streams have other owners, of which nothing was heard from their former one."""
        self._loop.owners_changed(news)

    def counts(self) -> Mapping[str, IngestCounts]:
        """What was done for each stream since this process started."""
        return self._loop.counts()

    def close(self) -> None:
        """Commit what is applied, and disconnect."""
        self._loop.stop()
        self._thread.join(_STOP_LIMIT_S)

    def __ray_shutdown__(self) -> None:
        """Ray calls this on SIGTERM."""
        self.close()

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception:
            log.exception("the ingest loop failed; the process ends and Ray starts another")
            os._exit(1)
