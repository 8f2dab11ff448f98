"""One page of the streams that a caller asks for."""

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from hermes_ray.api.listing.cursor import read_cursor, write_cursor
from hermes_ray.api.listing.order import Order, Rank, place_of
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.cluster.wire.stream_state import StreamState

MOST_ON_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which streams are asked for. Each part that is given must hold: of several values any, of several labels all.

    Attributes:
        ids: ids, or glob patterns of ids.
        states: states.
        workers: names of workers that hold the memories.
        labels: names and values; ``None`` for any value.
    """

    ids: Sequence[str] = ()
    states: Sequence[StreamState] = ()
    workers: Sequence[str] = ()
    labels: Sequence[tuple[str, str | None]] = ()

    def select(self, statuses: Iterable[StreamStatus]) -> list[StreamStatus]:
        """Those that are meant."""
        named = re.compile("|".join(translate(pattern) for pattern in self.ids)) if self.ids else None
        return [
            status
            for status in statuses
            if (named is None or named.match(status.stream_id))
            and (not self.states or status.state in self.states)
            and (not self.workers or status.location.worker in self.workers)
            and all(_has(status.settings.labels, name, value) for name, value in self.labels)
        ]


def _has(labels: Mapping[str, str], name: str, value: str | None) -> bool:
    return name in labels and value in (None, labels[name])


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        statuses: in order.
        next: the cursor of the page after it; ``None`` for the last one.
    """

    statuses: Sequence[StreamStatus]
    next: str | None


def page_of(
    statuses: Iterable[StreamStatus], wanted: StreamFilter, order: Order, limit: int, cursor: str | None
) -> Page:
    """The streams behind the cursor.

    A page begins behind a place in the order and not behind a number of streams. So streams that come and go between
    two pages shift no other: each one whose value stays the same is listed once.

    Args:
        statuses: of all streams that the caller sees, in any order.
        wanted: which of them.
        order: how they are sorted.
        limit: the most on a page.
        cursor: ``next`` of the page before; ``None`` for the first one.

    Raises:
        InvalidRequest: that is no cursor of this list.
    """
    found = wanted.select(statuses)
    if cursor is not None:
        behind = Rank(read_cursor(cursor, order), order)
        found = [status for status in found if behind < Rank(place_of(status, order), order)]
    page = heapq.nsmallest(limit, found, key=lambda status: Rank(place_of(status, order), order))
    more = len(found) > len(page)
    return Page(page, write_cursor(order, place_of(page[-1], order)) if more else None)
