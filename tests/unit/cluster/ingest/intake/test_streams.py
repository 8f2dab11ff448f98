"""The life of a stream as a table: from every state, every event, and where it leads."""

import pytest

from hermes_ray.cluster.ingest.intake.streams import IngestStream, IngestStreams, StreamState
from hermes_ray.cluster.wire.protocol import Durability, FramePosition, Mark, Resumption
from hermes_ray.video.sampling import SamplerState

SEEN = SamplerState(2.0, anchor_ms=0, newest_kept_ms=10_000, newest_seen_ms=10_000, kept=21)
AT = FramePosition(0, 7, 0)


def in_state(state: StreamState) -> IngestStream:
    stream = IngestStream()
    if state is not StreamState.AWAITED:
        stream.resume(Resumption("topic", {0: AT}, SEEN, behind=False), replay_s=5)
    if state is StreamState.LIVE:
        stream.looked_at(Mark("topic", FramePosition(0, 8, 0), SEEN), SEEN, 15_001)
    if state is StreamState.FOLLOWING:
        stream.must_follow({0: 9})
    assert stream.state is state
    return stream


EVENTS = {
    "a new stream is resumed": lambda s: s.resume(Resumption("", {}, None, behind=False), 5),
    "one with a memory is resumed": lambda s: s.resume(Resumption("topic", {0: AT}, SEEN, behind=False), 5),
    "its owner refuses": lambda s: s.refuse(99.0),
    "it comes to another partition": lambda s: s.must_follow({0: 9}),
    "its former partitions are read": lambda s: s.stop_following(),
    "others have read them": lambda s: s.ask_again(),
    "a record that may have been read before": lambda s: s.looked_at(None, SEEN, 15_000),
    "a record that nobody has read": lambda s: s.looked_at(None, SEEN, 15_001),
}
A, F, R, L = StreamState.AWAITED, StreamState.FOLLOWING, StreamState.REPLAYING, StreamState.LIVE


@pytest.mark.parametrize(
    ("event", "leads"),
    [
        ("a new stream is resumed", {A: L}),
        ("one with a memory is resumed", {A: R}),
        ("its owner refuses", {A: A}),
        ("it comes to another partition", {R: F, L: F}),
        ("its former partitions are read", {A: A, F: R, R: R, L: L}),
        ("others have read them", {F: A}),
        ("a record that may have been read before", {R: R, F: F}),
        ("a record that nobody has read", {A: L, R: L, F: F, L: L}),
    ],
)
def test_every_event_leads_from_each_state_to_the_next(event, leads):
    for state, expected in leads.items():
        stream = in_state(state)
        EVENTS[event](stream)
        assert stream.state is expected, state


def test_what_the_owner_is_asked_again_about_forgets_what_it_said_before_and_need_not_follow_twice():
    stream = in_state(F)
    stream.durable = Durability(1, "topic", {0: AT})
    stream.ask_again()
    assert (stream.cursor.positions, stream.sampler, stream.durable, stream.asked_again) == ({}, None, None, True)
    stream.resume(Resumption("topic", {0: AT}, SEEN, behind=False), replay_s=5)
    assert stream.asked_again
    stream.stop_following()
    assert not stream.asked_again


def test_a_stream_that_is_forgotten_is_awaited_and_says_where_it_was_seen():
    streams = IngestStreams("topic")
    streams["cam"].resume(Resumption("topic", {0: AT, 3: FramePosition(3, 1, 0)}, SEEN, behind=True), replay_s=5)
    assert (streams.knows("cam"), streams.on(3), streams.partitions_of("cam")) == (True, ["cam"], {0, 3})
    assert streams.forget("cam") == {0, 3}
    assert (streams.knows("cam"), len(streams), streams.forget("cam")) == (False, 0, frozenset())


def test_only_what_a_snapshot_of_this_topic_covers_is_durable():
    streams = IngestStreams("topic")
    assert not streams.holds_durably("cam", AT)
    streams["cam"].durable = Durability(1, "topic", {0: AT})
    covered = {AT: True, FramePosition(0, 7, 1): False, FramePosition(1, 0, 0): False}
    assert {at: streams.holds_durably("cam", at) for at in covered} == covered
    streams.log = "created anew"
    assert not streams.holds_durably("cam", AT)


def test_asking_about_streams_that_nobody_has_shown_keeps_nothing():
    streams = IngestStreams("topic")
    for number in range(1000):
        streams.get(f"invented-{number}")
        streams.knows(f"invented-{number}")
    assert len(streams) == 0


def test_streams_whose_owner_has_not_answered_are_forgotten_when_partitions_change():
    streams = IngestStreams("topic")
    assert streams["waiting"].is_awaited
    streams["going on"].resume(Resumption("topic", {0: AT}, SEEN, behind=False), replay_s=5)
    streams.forget_awaited()
    assert (len(streams), streams.knows("going on")) == (1, True)
