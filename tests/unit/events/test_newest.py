"""The newest event of each stream is the one at the top of that stream's list, whatever came late or was erased."""

from hermes_ray.events.kept import EventFilter, EventHeadline
from hermes_ray.events.reading import EventReader
from hermes_ray.transport.event import EventKind
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store


def place(newest):
    return newest.database, newest.through


def test_each_stream_has_its_newest_and_a_late_one_changes_nothing(database, writer):
    reader = EventReader(database)
    assert reader.newest_by_stream(None).by_stream == {}
    store(writer, match(5), line(3, "A dog barks.", "yard"), match(9, "dock"), match(2))
    store(writer, match(7, "dock", answer="no", kind=EventKind.CLEAR))
    newest = reader.newest_by_stream(None)
    at = {stream: event.captured_ms - NOW_MS for stream, event in newest.by_stream.items()}
    assert at == {"gate": 5000, "yard": 3000, "dock": 9000}
    assert newest.by_stream["yard"] == EventHeadline(
        line(3, "", "yard").id, EventKind.JOURNAL, "journal", "A dog barks.", None, NOW_MS + 3000
    )


def test_of_one_moment_the_one_stored_last_counts_as_in_the_list(database, writer):
    store(writer, match(1, rule="a"), match(1, rule="b"), match(1, "yard", rule="c"), match(0, "yard", rule="d"))
    reader = EventReader(database)
    for stream, event in reader.newest_by_stream(None).by_stream.items():
        assert event.id == reader.find(EventFilter(streams=[[stream]]), 1).events[0].event.id
    assert reader.newest_by_stream(None).by_stream["gate"].rule == "b"


def test_who_knows_it_all_is_told_nothing_until_something_is_stored(database, writer):
    reader = EventReader(database)
    store(writer, match(1))
    known = place(reader.newest_by_stream(None))
    assert reader.newest_by_stream(known) is None
    assert reader.newest_by_stream(("another", known[1])) is not None
    store(writer, match(2, "yard"))
    assert set(reader.newest_by_stream(known).by_stream) == {"gate", "yard"}


def test_an_erased_stream_has_none(database, writer):
    reader = EventReader(database)
    store(writer, match(1), match(2, "yard"))
    writer.erase("yard", TopicEnds(LOG, {0: 1000}), NOW_MS)
    assert set(reader.newest_by_stream(None).by_stream) == {"gate"}
