"""What is searched for is found by its words, whatever is typed; and pages and news leave out nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_ray.errors import UnknownEvent
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.reading import EventReader
from tests.unit.events.conftest import NOW_MS, line, match, store


@pytest.fixture
def reader(database, writer):
    store(
        writer,
        match(1, rule="red-truck"),
        line(2, "Two people unload boxes from a red truck."),
        line(3, "A cyclist passes. The café closes."),
        match(4, stream="yard", rule="person", question="is there a person?", answer="no"),
        line(5, "An empty yard.", stream="yard"),
    )
    return EventReader(database)


def frames(reader, **wanted):
    return [kept.event.frame for kept in reader.find(EventFilter(**wanted), 10).events]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("red truck", [2, 1]),
        ("TRUCKS", [2, 1]),
        ("truck box", [2]),
        ("truck cyclist", []),
        ("red-truck", [2, 1]),
        ("café", [3]),
        ("nobody", []),
        ("", []),
        ("!!!", []),
        ('"red" OR NEAR(', []),
        ("red' & !truck | (", [2, 1]),
    ],
)
def test_words_find_events(reader, text, found):
    assert frames(reader, text=text) == found


def test_filters_hold_together(reader):
    assert frames(reader, streams=[["*"], ["ya*"]]) == [5, 4]
    assert frames(reader, streams=[["gate"], ["ya*"]]) == []
    assert frames(reader, streams=[[]]) == []
    assert frames(reader, kinds=["match"]) == [4, 1]
    assert frames(reader, rules=["person", "red-truck"]) == [4, 1]
    assert frames(reader, since_ms=NOW_MS + 2000, until_ms=NOW_MS + 4000) == [3, 2]
    assert frames(reader, streams=[["gate"]], kinds=["journal"], text="red") == [2]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_no_text_is_syntax(reader, text):
    found = reader.find(EventFilter(text=text), 10).events
    assert all(kept.event.frame in range(1, 6) for kept in found)


def test_pages_list_each_event_once_while_others_come(database, writer):
    store(writer, *[match(frame, captured_ms=NOW_MS + frame // 3) for frame in range(10)])
    reader = EventReader(database)
    seen, behind = [], None
    for late in range(10, 20):
        page = reader.find(EventFilter(), 4, behind)
        seen += [kept.event.frame for kept in page.events]
        store(writer, match(late, captured_ms=NOW_MS + 100))
        if (behind := page.next) is None:
            break
    assert seen == list(range(9, -1, -1))


def test_news_are_told_in_the_order_of_storing_and_once(database, writer):
    reader = EventReader(database)
    store(writer, match(5), match(1), match(3, stream="yard"), match(2))
    first = reader.after(0, EventFilter(streams=[["gate"]]), 2)
    assert [kept.event.frame for kept in first.events] == [5, 1]
    second = reader.after(first.through, EventFilter(streams=[["gate"]]), 2)
    assert [kept.event.frame for kept in second.events] == [2]
    store(writer, match(9, stream="yard"))
    third = reader.after(second.through, EventFilter(streams=[["gate"]]), 2)
    assert third.events == []
    assert third.through == reader.newest().through


def test_the_journal_tells_what_a_question_is_about(reader, writer):
    about = reader.journal("gate", "When did the truck with the boxes come?", 1)
    assert [kept.event.frame for kept in about] == [2]
    assert [kept.event.frame for kept in reader.journal("gate", "Anything?", 5)] == [2, 3]
    assert [kept.event.frame for kept in reader.journal("yard", "truck", 5)] == [5]
    assert reader.journal("nowhere", "truck", 5) == []


def test_a_name_that_no_event_can_have_is_nobodys(reader):
    assert frames(reader, rules=["a\0b", "person"]) == [4]
    assert frames(reader, rules=["\0"]) == []
    with pytest.raises(UnknownEvent):
        reader.event("\0")
    with pytest.raises(UnknownEvent):
        reader.picture("\0", 0)
