"""Whatever becomes of the streams, the directory's two views of them agree, and no move begins that cannot."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.placement import Move
from hermes_ray.errors import NoFreeSlot, NotReady

WORKERS = st.sampled_from(["memory-0", "memory-1", "memory-2"])
STREAMS = st.sampled_from([f"cam-{number}" for number in range(5)])
EPOCHS = st.integers(0, 60)
ROOM = st.one_of(st.none(), st.integers(0, 5))


class Coordination(RuleBasedStateMachine):
    """All that the Coordinator does to its directory, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = StreamDirectory(EpochClock(lambda: 1))
        self.under_way: dict[str, Move] = {}

    @rule(worker=WORKERS, room=ROOM)
    def admit(self, worker: str, room: int | None) -> None:
        before = {stream for stream, at in self.directory.locations.items() if at.worker == worker}
        admission = self.directory.admit(worker, room)
        assert admission.streams == before
        assert all(self.directory.locate(stream).epoch == admission.epoch for stream in before)

    @rule(worker=WORKERS, room=ROOM, epoch=EPOCHS, held=st.dictionaries(STREAMS, EPOCHS))
    def adopt(self, worker: str, room: int | None, epoch: int, held: dict[str, int]) -> None:
        lost = self.directory.adopt(worker, room, epoch, held)
        for stream in held.keys() - lost.keys():
            assert self.directory.locate(stream).worker == worker
        assert all(self.directory.next_epoch() > at for at in held.values())

    @rule(worker=WORKERS, up=st.booleans(), settled=st.booleans(), leaving=st.booleans())
    def describe(self, worker: str, up: bool, settled: bool, leaving: bool) -> None:
        self.directory.describe(worker, up=up, settled=settled, leaving=leaving)

    @rule(stream=STREAMS)
    def place(self, stream: str) -> None:
        try:
            self.directory.place(stream)
        except (NotReady, NoFreeSlot):
            assert self.directory.find(stream) is None

    @rule(stream=STREAMS, worker=WORKERS)
    def import_or_take_over(self, stream: str, worker: str) -> None:
        self.directory.move(stream, worker)

    @rule(stream=STREAMS)
    def reset(self, stream: str) -> None:
        if (before := self.directory.find(stream)) is not None:
            after = self.directory.renew(stream)
            assert (after.worker, after.epoch > before.epoch) == (before.worker, True)

    @rule(stream=STREAMS)
    def forget(self, stream: str) -> None:
        self.directory.forget(stream)
        assert self.directory.find(stream) is None

    @rule(stream=STREAMS, epoch=EPOCHS)
    def reclaim_erased(self, stream: str, epoch: int) -> None:
        self.directory.forget_through(stream, epoch)
        location = self.directory.find(stream)
        assert location is None or location.epoch >= epoch

    @rule()
    def begin_moves(self) -> None:
        for _ in range(10):
            move = self.directory.next_move(self.under_way)
            if move is None:
                return
            free = [stream for stream in self.directory.streams_of(move.source) if stream not in self.under_way]
            self.under_way[free[0]] = move
        raise AssertionError("more moves than streams")

    @rule(stream=STREAMS)
    def a_move_changes_hands(self, stream: str) -> None:
        if stream in self.under_way and self.directory.find(stream) is not None:
            self.directory.move(stream, self.under_way[stream].target)

    @rule(stream=STREAMS)
    def a_move_ends(self, stream: str) -> None:
        self.under_way.pop(stream, None)

    @invariant()
    def both_views_agree(self) -> None:
        by_worker: defaultdict[str, list[str]] = defaultdict(list)
        for stream, at in sorted(self.directory.locations.items()):
            by_worker[at.worker].append(stream)
        for worker in ("memory-0", "memory-1", "memory-2"):
            assert self.directory.streams_of(worker) == by_worker[worker]


TestCoordination = Coordination.TestCase
TestCoordination.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
