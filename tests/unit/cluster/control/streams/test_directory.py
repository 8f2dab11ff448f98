from collections import Counter

import pytest

from hermes_ray.cluster.control.streams.directory import EpochClock, StreamDirectory
from hermes_ray.cluster.control.streams.ended_streams import EndedStreams
from hermes_ray.cluster.control.streams.placement import Move
from hermes_ray.errors import NoFreeSlot, NotReady, UnknownStream


class HandClock:
    """Wall clock in milliseconds that a test moves."""

    def __init__(self, now_ms: int = 1_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def directory(workers: dict[str, int]) -> StreamDirectory:
    result = StreamDirectory(EpochClock(HandClock()))
    for name, slots in workers.items():
        result.admit(name, slots)
    return result


def test_epochs_grow_even_when_the_clock_stands_or_goes_back():
    wall = HandClock(5_000)
    clock = EpochClock(wall)
    first = clock.next()
    second = clock.next()
    wall.now_ms = 10
    assert 5_000 <= first < second < clock.next()


def test_a_later_clock_starts_above_an_earlier_one():
    earlier = EpochClock(HandClock(5_000))
    last = [earlier.next() for _ in range(50)][-1]
    assert EpochClock(HandClock(5_100)).next() > last


def test_streams_spread_over_workers_and_stay_where_they_are():
    streams = [f"cam-{i}" for i in range(8)]
    placed = directory({"memory-0": 8, "memory-1": 8})
    first = {stream: placed.place(stream) for stream in streams}
    assert Counter(location.worker for location in first.values()) == {"memory-0": 4, "memory-1": 4}
    placed.admit("memory-2", 8)
    assert {stream: placed.place(stream) for stream in streams} == first
    assert placed.place("one-more").worker == "memory-2"


def test_no_stream_is_placed_before_a_worker_is_up_or_beyond_the_slots():
    with pytest.raises(NotReady):
        directory({}).place("cam")
    full = directory({"memory-0": 1})
    full.place("cam-0")
    with pytest.raises(NoFreeSlot):
        full.place("cam-1")
    assert full.place("cam-0").worker == "memory-0"


def test_looking_for_a_stream_does_not_place_it():
    streams = directory({"memory-0": 1})
    for _ in range(2):
        with pytest.raises(UnknownStream):
            streams.locate("cam")


def test_a_silent_worker_keeps_its_streams_and_gets_no_new_ones():
    streams = directory({"memory-0": 8, "memory-1": 8})
    old = streams.place("old")
    assert old.worker == "memory-0"
    streams.place("other")
    streams.describe("memory-0", up=False, settled=False, leaving=False)
    assert streams.locate("old") == old
    assert {streams.place(f"new-{i}").worker for i in range(3)} == {"memory-1"}


def test_a_restarted_worker_owns_its_streams_under_a_newer_epoch():
    streams = directory({"memory-0": 8})
    before = streams.place("cam")
    admission = streams.admit("memory-0", 8)
    assert admission.streams == {"cam"}
    assert streams.locate("cam").epoch == admission.epoch > before.epoch


def test_a_new_directory_learns_owners_and_epochs_from_the_workers():
    old = directory({"memory-0": 8, "memory-1": 8})
    held = {stream: old.place(stream) for stream in ("a", "b", "c")}
    new = StreamDirectory(EpochClock(HandClock(0)))
    for worker in ("memory-0", "memory-1"):
        streams = {stream: at.epoch for stream, at in held.items() if at.worker == worker}
        new.adopt(worker, 8, epoch=1_000, streams=streams)
    assert new.locations == held
    assert new.place("d").epoch > max(location.epoch for location in held.values())


def test_of_two_workers_that_claim_a_stream_the_newer_epoch_wins():
    streams = StreamDirectory(EpochClock(HandClock()))
    streams.adopt("memory-0", 8, epoch=5, streams={"cam": 7})
    streams.adopt("memory-1", 8, epoch=4, streams={"cam": 6})
    assert streams.locate("cam").worker == "memory-0"


def moved_all(streams: StreamDirectory) -> None:
    while (move := streams.next_move()) is not None:
        streams.move(streams.streams_of(move.source)[0], move.target)


def counts(streams: StreamDirectory) -> Counter[str]:
    return Counter(location.worker for location in streams.locations.values())


def test_a_worker_that_joins_is_given_its_share_and_no_stream_moves_twice():
    streams = directory({"memory-0": 8, "memory-1": 8})
    before = {stream: streams.place(stream) for stream in map("cam-{}".format, range(8))}
    streams.admit("memory-2", 8)
    moved_all(streams)
    assert sorted(counts(streams).values()) == [2, 3, 3]
    changed = [stream for stream, location in streams.locations.items() if location != before[stream]]
    assert len(changed) == counts(streams)["memory-2"]
    assert all(streams.locate(stream).epoch > before[stream].epoch for stream in changed)


def test_a_worker_that_leaves_is_emptied_and_gets_nothing_new():
    streams = directory({"memory-0": 8, "memory-1": 8})
    for number in range(6):
        streams.place(f"cam-{number}")
    streams.describe("memory-0", up=True, settled=True, leaving=True)
    moved_all(streams)
    assert counts(streams) == {"memory-1": 6}
    assert streams.place("new").worker == "memory-1"


def test_streams_stay_where_the_others_have_no_room_or_cannot_read_their_snapshots():
    full = directory({"memory-0": 8, "memory-1": 1})
    full.place("a"), full.place("b")
    full.describe("memory-0", up=True, settled=True, leaving=True)
    assert full.next_move() is None
    elsewhere = StreamDirectory(EpochClock(HandClock()))
    elsewhere.admit("memory-0", 8, site="node-a")
    elsewhere.place("a")
    elsewhere.admit("memory-1", 8, site="node-b")
    elsewhere.describe("memory-0", up=True, settled=True, leaving=True)
    assert elsewhere.next_move() is None


def test_a_worker_that_has_just_come_back_gives_and_gets_no_streams_yet():
    streams = directory({"memory-0": 8})
    for number in range(4):
        streams.place(f"cam-{number}")
    streams.admit("memory-1", 8)
    streams.describe("memory-1", up=True, settled=False, leaving=False)
    assert streams.next_move() is None
    streams.describe("memory-1", up=True, settled=True, leaving=False)
    assert streams.next_move() is not None


def test_a_worker_that_comes_back_is_told_which_streams_it_has_lost():
    streams = directory({"memory-0": 8, "memory-1": 8})
    held = streams.place("cam")
    taken = streams.move("cam", "memory-1")
    assert streams.adopt("memory-0", 8, held.epoch, {"cam": held.epoch}) == {"cam": taken.epoch}
    assert streams.adopt("memory-1", 8, taken.epoch, {"cam": taken.epoch}) == {}
    assert streams.locate("cam") == taken


def test_a_forgotten_stream_does_not_come_back_by_the_worker_that_held_it():
    streams = directory({"memory-0": 8})
    held = streams.place("cam")
    streams.forget("cam")
    lost = streams.adopt("memory-0", 8, held.epoch, {"cam": held.epoch})
    assert lost["cam"] > held.epoch
    with pytest.raises(UnknownStream):
        streams.locate("cam")
    assert streams.place("cam").epoch > lost["cam"]


def test_a_forgotten_stream_that_began_anew_is_not_mixed_up_with_its_former_memory():
    streams = directory({"memory-0": 8})
    former = streams.place("cam")
    streams.forget("cam")
    anew = streams.place("cam")
    assert anew.worker == former.worker
    lost = streams.adopt("memory-0", 8, former.epoch, {"cam": former.epoch})
    assert former.epoch < lost["cam"] <= anew.epoch
    assert streams.adopt("memory-0", 8, former.epoch, {"cam": anew.epoch}) == {}
    assert streams.locate("cam") == anew


class Later:
    """A directory in which ``gone`` has ended, and a day has passed since, and another stream has ended too."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ended = EndedStreams(lambda: self.now_s)
        self.streams = StreamDirectory(EpochClock(HandClock()), self.ended)
        self.streams.admit("memory-0", 8)
        self.held = self.streams.place("gone")
        self.stays = self.streams.place("stays")
        self.streams.forget("gone")
        self.now_s += 25 * 3600
        self.streams.place("other")
        self.streams.forget("other")


def test_a_stream_that_ended_long_ago_does_not_come_back_either_and_is_not_remembered_by_name():
    later = Later()
    assert len(later.ended) == 1
    held = {"gone": later.held.epoch, "stays": later.stays.epoch}
    lost = later.streams.adopt("memory-0", 8, later.held.epoch, held)
    assert lost.keys() == {"gone"}
    assert lost["gone"] > later.held.epoch
    assert set(later.streams.locations) == {"stays"}
    anew = later.streams.place("gone")
    assert anew.epoch > lost["gone"]
    assert later.streams.adopt("memory-0", 8, later.held.epoch, {"gone": anew.epoch}) == {}


def test_a_stream_that_ended_long_ago_and_began_anew_is_not_mixed_up_with_its_former_memory():
    later = Later()
    anew = later.streams.place("gone")
    lost = later.streams.adopt("memory-0", 8, later.held.epoch, {"gone": later.held.epoch})
    assert later.held.epoch < lost["gone"] <= anew.epoch
    assert later.streams.locate("gone") == anew


def test_what_a_worker_holds_from_after_all_that_ended_long_ago_is_its_own():
    later = Later()
    late = later.held.epoch + 1_000
    assert later.streams.adopt("memory-1", 8, late, {"unknown": late}) == {}
    assert later.streams.locate("unknown").worker == "memory-1"


def test_a_stream_under_a_new_epoch_stays_where_it_is():
    streams = directory({"a": 2, "b": 2})
    before = streams.place("cam")
    after = streams.renew("cam")
    assert (after.worker, streams.locate("cam")) == (before.worker, after)
    assert after.epoch > before.epoch
    with pytest.raises(UnknownStream):
        streams.renew("nobody")


def test_a_drained_worker_whose_streams_all_move_already_gives_no_other():
    streams = directory({"memory-0": 8, "memory-1": 8, "memory-2": 8})
    on_the_way = streams.place("cam")
    streams.describe("memory-1", up=True, settled=True, leaving=True)
    arriving = {"cam": Move(on_the_way.worker, "memory-1")}
    assert streams.next_move(arriving) is None
    streams.move("cam", "memory-1")  # which is being told
    assert streams.next_move(arriving) is None
    assert streams.next_move() == Move("memory-1", "memory-0")
