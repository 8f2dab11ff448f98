"""The Coordinator's visits of workers, over workers in this process."""

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.stored_streams import StoredStreams
from hermes_ray.cluster.control.workers.actors import WorkerActors
from hermes_ray.cluster.control.workers.supervisor import Supervisor
from hermes_ray.cluster.wire.protocol import Admission, Renewal, WorkerHealth
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.config import Settings, SnapshotSettings
from hermes_ray.errors import WorkerLost
from hermes_ray.observability.stats import MemoryCounts
from tests.unit.cluster.control.test_event_keeping import Method


class Worker:
    """A memory worker's process; ``ends``: while it is told that it is admitted."""

    def __init__(self, *, ends: bool = False) -> None:
        self.epoch: int | None = None
        self.is_gone, self._ends = False, ends
        self.health, self.admit = Method(self._health), Method(self._admit)

    async def _health(self, renewal: Renewal | None = None) -> WorkerHealth:
        if self.is_gone:
            raise WorkerLost("gone")
        return WorkerHealth(
            loaded=True,
            detail="ready",
            failure=None,
            epoch=self.epoch,
            streams={},
            capacity=4,
            recovering=0,
            draining=False,
            node="node",
            process="process",
            counts=MemoryCounts(),
            engine=None,
            snapshots=None,
        )

    async def _admit(self, admission: Admission) -> None:
        self.is_gone = self._ends
        if not self.is_gone:
            self.epoch = admission.epoch


class Gone:
    """An ingest worker whose process has ended."""

    async def _health(self) -> None:
        raise WorkerLost("gone")

    @property
    def health(self) -> Method:
        return Method(self._health)


def supervised(worker: Worker) -> tuple[Supervisor, StreamDirectory]:
    clock = EpochClock(lambda: 1000)
    directory = StreamDirectory(clock)
    actors = WorkerActors(
        memory=lambda *_: worker, ingest=lambda *_: Gone(), existing=lambda _: 0, resources=lambda: {"CPU": 4.0}
    )
    stored = StoredStreams(SnapshotSettings(url=None))
    return Supervisor(Settings(), directory, clock, stored, Definitions, lambda: None, actors), directory


async def test_a_worker_that_was_just_admitted_takes_streams_at_once():
    supervisor, directory = supervised(worker := Worker())
    await supervisor.visit()
    assert supervisor.all_up()
    assert directory.choose() == "memory-0"
    assert directory.place("new").epoch > (worker.epoch or 0)
    await supervisor.visit()
    assert directory.choose() == "memory-0"


async def test_a_worker_that_ends_while_it_is_admitted_takes_none():
    supervisor, directory = supervised(Worker(ends=True))
    await supervisor.visit()
    assert directory.workers_up == ()
    assert not supervisor.all_up()
