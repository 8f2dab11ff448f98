import pytest

from hermes_ray.errors import InvalidHeader
from hermes_ray.transport.dead_letters import DeadLetter
from hermes_ray.transport.record import Record


def test_ordinary_record_is_not_taken_for_a_dead_letter():
    with pytest.raises(InvalidHeader, match="not a dead letter"):
        DeadLetter.from_record(Record("dead", 0, 0, 1, b"k", b"v", (("content-type", b"image/jpeg"),)))


def test_dead_letter_with_a_damaged_place_is_refused():
    headers = {"topic": b"t", "partition": b"x", "offset": b"1", "timestamp": b"1", "reason": b"r", "message": b"m"}
    record = Record("dead", 0, 0, 1, None, b"v", tuple(("hermes-dead-letter-" + k, v) for k, v in headers.items()))
    with pytest.raises(InvalidHeader):
        DeadLetter.from_record(record)
