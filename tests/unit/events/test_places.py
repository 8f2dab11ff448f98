"""Places tell whoever holds them nothing, and lead on from any process that has the database."""

import base64
from dataclasses import replace

import pytest

from hermes_ray.errors import InvalidRequest
from hermes_ray.events.places import Places
from hermes_ray.events.reading import EventReader
from tests.unit.events.conftest import match, store

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
        "1f2e3d4c-" + "A" * 64,
        "'; DROP TABLE events",
        pytest.param(OURS.page_end(5, 5), id="a page's end"),
        pytest.param(OURS.followed(5)[:-1], id="cut short"),
        pytest.param(OURS.followed(5).swapcase(), id="other letters"),
        pytest.param(f"1f2e3d4c-{OURS.page_end(5, 5)}", id="a page's end as a place"),
        pytest.param(replace(OURS, secret=bytes(32)).followed(5), id="another secret"),
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
        "A" * 64,
        pytest.param(OURS.followed(5), id="a place"),
        pytest.param(OURS.followed(5).partition("-")[2], id="a place without its database"),
    ],
)
def test_what_ends_no_page_of_ours_is_no_cursor(text):
    with pytest.raises(InvalidRequest, match="cursor"):
        OURS.read_page_end(text)


@pytest.mark.parametrize("text", ["abcdef01-" + "A" * 64, "1f2e3d4c-7041"])
def test_a_place_of_another_database_or_a_number_that_anybody_can_choose_begins_at_the_beginning(text):
    assert OURS.read_followed(text) == ("", 0)


def test_the_secret_is_the_databases_and_stays(database, writer):
    before = EventReader(database).places()
    store(writer, match(1))
    database.prepare()
    assert EventReader(database).places() == before
    assert len(before.secret) == 32
