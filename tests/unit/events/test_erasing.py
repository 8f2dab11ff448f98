"""An erased stream stays erased, whatever was on its way; and who was told of a match is told that it is over."""

from hermes_ray.config import EventSettings
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.reading import EventReader
from hermes_ray.events.retention import EventRetention
from hermes_ray.events.writing import Arrival, Stored
from hermes_ray.transport.event import EventKind
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store

ALL = EventFilter()
ERASED, ANEW = 500, 600
"""Epochs of a stream: up to which it was erased, and under which it has begun again."""
DAY_MS = 86_400_000


def arrive(writer, *events, place: int, epoch: int, log: str = LOG):
    """The next records of a topic."""
    known = writer.positions(log)
    arrivals = [Arrival(event, 0, place + n, epoch) for n, event in enumerate(events)]
    return writer.store(log, arrivals, {0: place + len(events)}, known, NOW_MS)


def found(database):
    return [kept.event.frame for kept in EventReader(database).find(ALL, 100).events]


def told(database, behind: int = 0):
    """What followers are told behind a number."""
    return [kept.event for kept in EventReader(database).after(behind, ALL, 100).events]


def test_what_reaches_the_topic_behind_the_erasure_is_left_out_by_its_epoch(database, writer):
    arrive(writer, match(1), place=0, epoch=ERASED)
    assert writer.erase("gate", TopicEnds(LOG, {0: 1}), NOW_MS, ERASED) == 1
    # Of a publisher that was cut off, with a line of the journal and its pictures.
    assert arrive(writer, match(2), line(3, "A red truck."), place=1, epoch=ERASED - 1) == Stored(erased=2)
    assert arrive(writer, match(4), place=3, epoch=ANEW) == Stored(stored=1)
    assert arrive(writer, match(5), place=0, epoch=ERASED, log="made anew") == Stored(erased=1)
    assert found(database) == [4]


def test_what_was_stored_while_the_erasure_was_on_its_way_goes_too_and_what_began_anew_stays(database, writer):
    arrive(writer, match(1), place=0, epoch=ERASED)
    ends = TopicEnds(LOG, {0: 1})
    arrive(writer, match(2), place=1, epoch=ERASED)
    arrive(writer, match(3), place=2, epoch=ANEW)
    assert writer.erase("gate", ends, NOW_MS, ERASED) == 2
    assert found(database) == [3]


def test_an_erasure_that_is_late_spares_what_has_begun_since(database, writer):
    arrive(writer, match(1), place=0, epoch=ERASED)
    arrive(writer, match(2), place=1, epoch=ANEW)
    assert writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS, ERASED) == 1
    assert found(database) == [2]
    assert arrive(writer, match(3), place=2, epoch=ANEW) == Stored(stored=1)


def test_events_of_publishers_that_name_no_epoch_go_by_the_ends_of_the_topic(database, writer):
    store(writer, match(1))
    assert writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS, ERASED) == 1
    assert store(writer, match(2)) == Stored(erased=1)
    assert store(writer, match(3)) == Stored(stored=1)


def test_followers_of_an_erased_stream_are_told_once_that_its_matches_are_over_and_nothing_else(database, writer):
    store(writer, match(1), match(2, rule="cat"), match(3, rule="cat", kind=EventKind.CLEAR, id="c1ea7"))
    store(writer, match(4, stream="yard"), line(5, "A red truck."))
    writer.erase("gate", TopicEnds(LOG, {0: 5}), NOW_MS, ERASED)
    (end,) = told(database, behind=5)
    assert (end.kind, end.stream_id, end.rule, end.answer) == (EventKind.CLEAR, "gate", "truck", "")
    assert (end.question, end.model, end.evidence) == ("", "", ())  # of what was erased, nothing
    assert found(database) == [4]
    newest = EventReader(database).newest_by_stream(None)
    assert newest is not None
    assert set(newest.by_stream) == {"yard"}
    assert writer.erase("gate", TopicEnds(LOG, {0: 5}), NOW_MS + 1, ERASED + 1) == 0
    assert told(database, behind=5) == [end]


def test_a_match_of_the_stream_that_has_begun_anew_is_not_called_over(database, writer):
    arrive(writer, match(1), place=0, epoch=ERASED)
    arrive(writer, match(2), place=1, epoch=ANEW)
    writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS, ERASED)
    assert [event.frame for event in told(database)] == [2]


def test_the_same_footage_erased_twice_is_called_over_twice(database, writer):
    for part in range(2):
        arrive(writer, match(1), place=part, epoch=100 * part + 1)
        writer.erase("gate", TopicEnds(LOG, {0: part + 1}), NOW_MS + part, 100 * part + 2)
    assert len(told(database)) == len({event.id for event in told(database)}) == 2


def test_what_told_of_an_erasure_is_gone_a_day_later(database, writer):
    store(writer, match(1), line(2, "All quiet.", stream="yard"))
    writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS, ERASED)
    retention = EventRetention(database, EventSettings(retention_days=None))
    retention.sweep(NOW_MS + DAY_MS - 1)
    assert len(told(database)) == 2
    retention.sweep(NOW_MS + DAY_MS + 1)
    assert [event.stream_id for event in told(database)] == ["yard"]


def test_the_matches_of_a_stream_that_was_forgotten_for_its_silence_end_and_its_events_stay(database, writer):
    arrive(writer, match(1), match(2, rule="cat"), place=0, epoch=ERASED)
    arrive(writer, match(3, rule="dog"), place=2, epoch=ANEW)
    assert writer.end_matches("gate", NOW_MS, ERASED) == 2
    ends = told(database, behind=3)
    assert [(end.kind, end.rule, end.question, end.frame) for end in ends] == [
        (EventKind.CLEAR, "cat", "did a red truck come?", 2),
        (EventKind.CLEAR, "truck", "did a red truck come?", 1),
    ]
    assert writer.end_matches("gate", NOW_MS, ERASED) == 0
    assert len(found(database)) == 5


def test_a_stream_without_events_has_no_match_to_end(writer):
    assert writer.end_matches("nowhere", NOW_MS, ERASED) == 0
