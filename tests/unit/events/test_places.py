"""Places tell whoever holds them nothing, and lead on from any process that has the database."""

import base64
from dataclasses import replace

import pytest

from hermes_ray.config import EventSettings
from hermes_ray.errors import EventsPlaceLost, InvalidRequest
from hermes_ray.events.kept import EventFilter
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.places import Places
from hermes_ray.events.reading import EventReader
from hermes_ray.events.retention import EventRetention
from hermes_ray.transport.topic_ends import TopicEnds
from tests.unit.events.conftest import LOG, NOW_MS, match, store

OURS = Places("1f2e3d4c", b"a secret of thirty-two bytes....")


def test_a_place_leads_back_to_where_it_was():
    assert OURS.read_followed(OURS.followed(7041)) == ("1f2e3d4c", 7041)
    assert OURS.read_page_end(OURS.page_end(1_767_323_045_000, 12)) == (1_767_323_045_000, 12)
    assert Places(OURS.database, bytes(OURS.secret)).read_followed(OURS.followed(3)) == ("1f2e3d4c", 3)


def test_texts_of_one_place_and_of_the_next_look_equally_unrelated():
    texts = [OURS.followed(number) for number in (5,) * 200 + (6,) * 200 + (2**40,)]
    assert len(set(texts)) == len(texts)
    assert len({len(text) for text in texts}) == 1
    sealed = [base64.urlsafe_b64decode(text.partition("-")[2] + "==") for text in texts]
    for at in range(len(sealed[0])):  # no byte is the same for one place and another for the next
        assert {text[at] for text in sealed[:200]} & {text[at] for text in sealed[200:400]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7041",
        "1f2e3d4c-",
        "1f2e3d4c-AAAA",
        "1f2e3d4c-" + "A" * 63,
        "'; DROP TABLE events",
        pytest.param(OURS.page_end(5, 5), id="a page's end"),
        pytest.param(OURS.followed(5)[:-1], id="cut short"),
        pytest.param(OURS.followed(5).swapcase(), id="other letters"),
    ],
)
def test_what_we_did_not_write_is_refused(text):
    with pytest.raises(InvalidRequest, match="Last-Event-ID"):
        OURS.read_followed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "bm9uZQ",
        "A" * 63,
        pytest.param(OURS.followed(5), id="a place"),
    ],
)
def test_what_ends_no_page_of_ours_is_no_cursor(text):
    with pytest.raises(InvalidRequest, match="cursor"):
        OURS.read_page_end(text)


@pytest.mark.parametrize(
    "text",
    [
        "1f2e3d4c-" + "A" * 64,
        pytest.param(f"1f2e3d4c-{OURS.page_end(5, 5)}", id="a page's end as a place"),
        pytest.param(replace(OURS, secret=bytes(32)).followed(5), id="another secret"),
    ],
)
def test_what_this_database_has_not_sealed_is_of_before_it_was_restored_or_made_up(text):
    with pytest.raises(EventsPlaceLost, match=r"Last-Event-ID: .* restored .* begin without it"):
        OURS.read_followed(text)
    with pytest.raises(EventsPlaceLost, match=r"cursor: .* restored .* begin without it"):
        OURS.read_page_end(replace(OURS, secret=bytes(32)).page_end(5, 5))


@pytest.mark.parametrize("text", ["abcdef01-" + "A" * 64, "1f2e3d4c-7041"])
def test_a_place_of_another_database_or_a_number_that_anybody_can_choose_begins_at_the_beginning(text):
    assert OURS.read_followed(text) == ("", 0)


def test_a_number_that_no_event_ever_had_is_of_before_the_database_was_restored(database, writer):
    reader = EventReader(database)
    assert reader.after(0, EventFilter(), 10).events == []
    with pytest.raises(EventsPlaceLost):
        reader.after(1, EventFilter(), 10)
    store(writer, match(1), match(2))
    writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS)
    # Its last event may be gone; it had that number all the same.
    last = max(kept.sequence for kept in reader.after(0, EventFilter(), 10).events)
    assert reader.after(last, EventFilter(), 10).events == []
    EventRetention(database, EventSettings(retention_days=1)).sweep(NOW_MS + 2 * 86_400_000)
    assert reader.after(last, EventFilter(), 10).events == []
    with pytest.raises(EventsPlaceLost):
        reader.after(last + 1, EventFilter(), 10)


async def test_a_number_of_a_database_that_was_replaced_while_somebody_waited_begins_at_the_beginning(database, writer):
    store(writer, match(1))
    events = LocalEvents(database)
    news = await events.updates("abcdef01", 7041, EventFilter(), 10, 0.0)
    events.close()
    assert [kept.event.frame for kept in news.events] == [1]


def test_the_secret_is_the_databases_and_stays(database, writer):
    before = EventReader(database).places()
    store(writer, match(1))
    database.prepare()
    assert EventReader(database).places() == before
    assert len(before.secret) == 32
