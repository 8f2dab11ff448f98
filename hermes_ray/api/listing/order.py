"""By what a list of streams can be sorted."""

from collections.abc import Callable
from enum import StrEnum

from hermes_ray.api.listing.cursor import Place
from hermes_ray.cluster.wire.contracts import StreamStatus


class Order(StrEnum):
    """What comes first."""

    ID = "id"
    ID_DESCENDING = "-id"
    LAG = "lag"
    LAG_DESCENDING = "-lag"
    AGE = "age"
    AGE_DESCENDING = "-age"
    FRAMES_SEEN = "frames_seen"
    FRAMES_SEEN_DESCENDING = "-frames_seen"


def _age(status: StreamStatus) -> float | None:
    # By the moment of capture, which stands still while ages grow.
    return None if status.memory.as_of_ms is None else -status.memory.as_of_ms


_VALUES: dict[str, Callable[[StreamStatus], float | None]] = {
    "id": lambda status: None,
    "lag": lambda status: status.lag_ms,
    "age": _age,
    "frames_seen": lambda status: status.memory.frames_seen,
}


def place_of(status: StreamStatus, order: Order) -> Place:
    """Where a stream stands in a list of that order."""
    return _VALUES[order.removeprefix("-")](status), status.stream_id


class Rank:
    """A place, to be compared: streams without a value come last in either direction; equals by id, ascending.

    Args:
        place: of a stream.
        order: of the list.
    """

    __slots__ = ("_key", "_reverse")

    def __init__(self, place: Place, order: Order) -> None:
        value, stream_id = place
        reverse = order.startswith("-")
        self._reverse = reverse and order is Order.ID_DESCENDING
        number = 0.0 if value is None else -value if reverse else value
        self._key = (value is None, number, stream_id)

    def __lt__(self, other: "Rank") -> bool:
        return self._key > other._key if self._reverse else self._key < other._key
