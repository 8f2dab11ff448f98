"""Events as records: what goes in comes out, ids are stable, and what is no event is refused."""

import json

import pytest

from hermes_ray.errors import InvalidHeader, TransportError
from hermes_ray.transport.event import EPOCH_HEADER, VERSION_HEADER, Event, EventEvidence, EventKind, epoch_of, event_id
from hermes_ray.transport.record import Record

EVENT = Event(
    id=event_id(EventKind.MATCH, "truck", "gate", 1200),
    kind=EventKind.MATCH,
    stream_id="gate",
    rule="truck",
    question="did a red truck come?",
    answer="yes",
    frame=1200,
    captured_ms=1_700_000_600_000,
    probability=0.93,
    evidence=(EventEvidence(1198, 0.4, 1_700_000_599_000, b"\xff\xd8jpeg"), EventEvidence(3, 0.1)),
    model="hermes-tiny",
)


def record(event: Event, epoch: int = 0) -> Record:
    key, value, headers = event.to_record(epoch)
    return Record("hermes.events", 0, 7, 0, key, value, tuple(headers))


def test_an_event_survives_its_way_through_kafka():
    assert Event.from_record(record(EVENT)) == EVENT


@pytest.mark.parametrize("epoch", [0, 1, 1_767_323_045_000])
def test_the_epoch_that_it_was_published_under_goes_beside_it(epoch):
    assert epoch_of(record(EVENT, epoch)) == epoch
    assert Event.from_record(record(EVENT, epoch)) == EVENT


@pytest.mark.parametrize("said", [b"", b"-1", b"1.5", b"\xff", b"9" * 19])
def test_what_is_no_epoch_is_refused(said):
    headers = ((VERSION_HEADER, b"1"), (EPOCH_HEADER, said))
    with pytest.raises(InvalidHeader, match=EPOCH_HEADER):
        epoch_of(Record("hermes.events", 0, 7, 0, b"gate", b"{}", headers))


def test_fields_of_a_later_release_are_left_out():
    assert Event.from_json(json.loads(json.dumps(EVENT.to_json() | {"mood": "calm"}))) == EVENT


def test_the_id_depends_on_everything_that_makes_an_event_another():
    ids = {
        event_id(kind, rule, stream, frame)
        for kind in EventKind
        for rule in ("a", "ab")
        for stream in ("b", "bc")
        for frame in (1, 11)
    }
    assert len(ids) == 3 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("value", "version", "error"),
    [
        (b"{}", b"1", TransportError),
        (b"[]", b"1", TransportError),
        (b"\xff", b"1", TransportError),
        (None, b"1", TransportError),
        (json.dumps(EVENT.to_json() | {"kind": "rumour"}).encode(), b"1", TransportError),
        (json.dumps(EVENT.to_json() | {"evidence": 3}).encode(), b"1", TransportError),
        (json.dumps(EVENT.to_json()).encode(), b"2", InvalidHeader),
        (json.dumps(EVENT.to_json()).encode(), None, InvalidHeader),
    ],
)
def test_what_is_no_event_is_refused(value: bytes | None, version: bytes | None, error: type[Exception]):
    headers = () if version is None else ((VERSION_HEADER, version),)
    with pytest.raises(error):
        Event.from_record(Record("hermes.events", 0, 7, 0, b"gate", value, headers))
