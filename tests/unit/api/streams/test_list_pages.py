"""Filters, order and pages of the list of streams, over ten thousand of them and over the application."""

import random
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest

from hermes_ray.api.listing.order import Order
from hermes_ray.api.listing.page import StreamFilter, page_of
from hermes_ray.client import HermesClient
from hermes_ray.cluster.wire.client.stream_statuses import StreamStatuses, Survey
from hermes_ray.cluster.wire.contracts import IngestCounts, Location, StreamStatus
from hermes_ray.cluster.wire.protocol import ClusterView, StreamReport
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.engine import StreamEngine, StreamStats
from hermes_ray.errors import InvalidRequest
from tests.unit.api.conftest import FIRST_TS_MS, STREAM

EVERYTHING = StreamFilter()
NOW_MS = time.time() * 1000


def status(number: int, **changes) -> StreamStatus:
    memory = StreamStats(
        f"cam-{number:05}", number % 7, None if number % 11 == 0 else 1000 * number, (3,), 3, 9, "full", 0
    )
    lag_ms = None if number % 5 == 0 else float(number % 13)
    return replace(
        StreamStatus(f"cam-{number:05}", Location(f"memory-{number % 3}", 1), memory, None, lag_ms), **changes
    )


def pages(statuses, order: Order, limit: int, wanted: StreamFilter = EVERYTHING) -> list[str]:
    """Ids over all pages; the server forgets everything between two of them."""
    found, cursor = [], None
    while True:
        page = page_of(statuses, wanted, order, limit, cursor)
        found += [one.stream_id for one in page.statuses]
        if (cursor := page.next) is None:
            return found


def plainly(statuses, order: Order) -> list[str]:
    """The whole list, by Python's own stable sort."""
    values = {
        "id": lambda one: None,
        "lag": lambda one: one.lag_ms,
        "age": lambda one: None if one.memory.as_of_ms is None else NOW_MS - one.memory.as_of_ms,
        "frames_seen": lambda one: one.memory.frames_seen,
    }
    value, reverse = values[order.removeprefix("-")], order.startswith("-")
    by_id = sorted(statuses, key=lambda one: one.stream_id, reverse=order == "-id")
    with_value = [one for one in by_id if value(one) is not None]
    without = [one for one in by_id if value(one) is None]
    return [one.stream_id for one in sorted(with_value, key=value, reverse=reverse) + without]


@pytest.mark.parametrize("order", list(Order))
def test_pages_of_any_size_together_are_the_sorted_list(order: Order):
    statuses = [status(number) for number in range(100)]
    random.Random(3).shuffle(statuses)
    for limit in (1, 7, 99, 100, 1000):
        assert pages(statuses, order, limit) == plainly(statuses, order)


@pytest.mark.parametrize("order", list(Order))
def test_streams_that_come_and_go_between_two_pages_shift_no_other(order: Order):
    statuses = [status(number) for number in range(60)]
    first = page_of(statuses, EVERYTHING, order, 20, None)
    shown = [one.stream_id for one in first.statuses]
    left = [one for one in statuses if one.stream_id not in shown[5:10]] + [status(number) for number in range(60, 90)]
    rest, cursor = [], first.next
    while cursor is not None:
        page = page_of(left, EVERYTHING, order, 20, cursor)
        rest += [one.stream_id for one in page.statuses]
        cursor = page.next
    stayed = {one.stream_id for one in statuses} - set(shown)
    assert [one for one in rest if one in stayed] == [one for one in plainly(statuses, order) if one in stayed]
    assert not set(rest) & set(shown)


def test_filters_hold_together_and_several_values_of_one_are_alternatives():
    statuses = [status(number, state=list(StreamState)[number % 6]) for number in range(60)]
    wanted = StreamFilter(("cam-0000?", "cam-00010"), (StreamState.LIVE, StreamState.SILENT), ("memory-1", "memory-2"))
    expected = [f"cam-{n:05}" for n in (*range(10), 10) if n % 6 in (4, 5) and n % 3 in (1, 2)]
    assert pages(statuses, Order.ID, 2, wanted) == expected


@pytest.mark.parametrize("cursor", ["x", "%", "e30", "WzFd", "W10", "ü"])
def test_what_is_no_cursor_is_refused_with_its_name(cursor: str):
    with pytest.raises(InvalidRequest, match=r"^cursor: "):
        page_of([status(1)], EVERYTHING, Order.ID, 5, cursor)


def test_a_cursor_of_another_order_is_refused():
    cursor = page_of([status(1), status(2)], EVERYTHING, Order.LAG, 1, None).next
    with pytest.raises(InvalidRequest, match="sort=lag"):
        page_of([status(1), status(2)], EVERYTHING, Order.ID, 1, cursor)


def survey(reports, moving=(), restoring=frozenset()) -> Survey:
    locations = {name: Location("memory-0", 1) for name in ("cam", "other", "never-seen")}
    return Survey(ClusterView(locations, moving=frozenset(moving)), reports, {"memory-0": frozenset(restoring)})


def test_a_stream_stays_in_the_list_with_what_was_last_known_while_its_worker_cannot_tell():
    reports = {name: StreamReport(replace(status(4).memory, stream_id=name), 5.0) for name in ("cam", "other")}
    statuses = StreamStatuses(max_lag_s=10)

    def states(seen: Survey) -> dict[str, str]:
        return {one.stream_id: one.state for one in statuses.all(seen)}

    assert states(survey({"memory-0": reports})) == {"cam": "silent", "other": "silent"}
    assert states(survey({})) == {"cam": "failed", "other": "failed"}
    without = {"memory-0": {"other": reports["other"]}}
    assert states(survey(without, restoring={"cam", "never-seen"})) == {"cam": "restoring", "other": "silent"}
    assert states(survey(without, moving={"cam"})) == {"cam": "moving", "other": "silent"}
    assert states(survey(without)) == {"other": "silent"}, "it was reset"
    assert states(survey({})) == {"other": "failed"}


def test_a_stream_whose_frames_wait_is_behind_however_old_its_newest_one_is():
    counts = IngestCounts(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {}, 0, waiting_since_ms=int(time.time() * 1000) - 11_000)
    report = StreamReport(status(4).memory, 5.0)
    one = StreamStatuses(max_lag_s=10).one("cam", Location("memory-0", 1), report, counts)
    assert one.state is StreamState.BEHIND
    patient = StreamStatuses(max_lag_s=600).one("cam", Location("memory-0", 1), report, counts)
    assert patient.state is StreamState.SILENT


async def test_the_api_filters_sorts_and_pages(http: httpx.AsyncClient, engine: StreamEngine):
    engine.ingest("dock-1", [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    try:
        for query, expected in [
            ("", ["dock-1", STREAM]),
            ("sort=-frames_seen", [STREAM, "dock-1"]),
            ("sort=age", [STREAM, "dock-1"]),
            ("id=dock-*", ["dock-1"]),
            ("id=dock-*&id=front-door", ["dock-1", STREAM]),
            ("state=silent&worker=local", ["dock-1", STREAM]),
            ("state=live", []),
        ]:
            listed = (await http.get(f"/v1/streams?{query}")).json()
            assert ([one["id"] for one in listed["streams"]], listed["next"]) == (expected, None), query
        first = (await http.get("/v1/streams?limit=1")).json()
        second = (await http.get("/v1/streams", params={"limit": 1, "cursor": first["next"]})).json()
        assert [one["id"] for page in (first, second) for one in page["streams"]] == ["dock-1", STREAM]
        assert second["next"] is None
    finally:
        engine.drop("dock-1")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("sort=size", "sort"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("state=ill", "state"),
        ("stat=live", "stat"),
    ],
)
async def test_a_list_that_cannot_be_asked_for_is_refused_by_the_name_of_its_parameter(
    http: httpx.AsyncClient, query: str, field: str
):
    problem = (await http.get(f"/v1/streams?{query}")).json()
    assert problem["code"] == "invalid-request"
    assert problem["errors"][0]["field"].startswith(field)


def test_the_client_fetches_all_pages_or_as_many_streams_as_are_wanted(url: str, engine: StreamEngine):
    names = [f"page-{number}" for number in range(4)]
    for name in names:
        engine.ingest(name, [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    try:
        with HermesClient(url) as client:
            assert [one.id for one in client.streams(id=["page-*"], sort="-id")] == names[::-1]
            assert [one.id for one in client.streams(id=["page-*"], limit=3)] == names[:3]
            with pytest.raises(InvalidRequest, match="sort"):
                client.streams(sort="size")
    finally:
        for name in names:
            engine.drop(name)
