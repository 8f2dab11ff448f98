"""``PATCH`` of a stream, through the API, the Python clients and the command line."""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from hermes_ray.cli.main import app as commands
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import InvalidRequest, UnknownStream
from tests.unit.api.conftest import STREAM

PATH = f"/v1/streams/{STREAM}"


@pytest.fixture(autouse=True)
async def without_labels(http: httpx.AsyncClient):
    yield
    assert (await http.patch(PATH, json={"labels": None})).json()["labels"] == {}


async def test_labels_are_merged_shown_and_filtered_by(http: httpx.AsyncClient):
    patched = await http.patch(PATH, json={"labels": {"site": "north", "floor": "2"}})
    assert (patched.status_code, patched.json()["labels"]) == (200, {"floor": "2", "site": "north"})
    assert (await http.patch(PATH, json={"labels": {"floor": None, "door": "a=b"}})).status_code == 200
    assert (await http.get(PATH)).json()["labels"] == {"site": "north", "door": "a=b"}
    for query, found in [
        ({"label": "site"}, True),
        ({"label": "site=north"}, True),
        ({"label": "site=south"}, False),
        ({"label": ["site=north", "floor"]}, False),
        ({"label": ["site", "door=a=b"]}, True),
    ]:
        listed = (await http.get("/v1/streams", params=query)).json()["streams"]
        assert bool(listed) is found, query


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fps": 0}, "fps"),
        ({"fps": 1e9}, "fps"),
        ({"retention_days": -1}, "retention_days"),
        ({"labels": {"a b": "x"}}, "labels"),
        ({"labels": {"a": "x" * 257}}, "labels"),
        ({"labels": {str(n): "x" for n in range(33)}}, "labels"),
        ({"label": {}}, "label"),
        ({"policy": "full"}, "policy: only sink_window fits"),
        ({"budget_tokens": 8}, "budget_tokens: only 256 fits"),
        ({"fps": 1}, "fps: has no effect"),  # an engine without ingest
    ],
)
async def test_what_cannot_be_set_is_refused_by_name(http: httpx.AsyncClient, body: dict[str, Any], field: str):
    response = await http.patch(PATH, json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert field in response.json()["detail"]
    assert (await http.get(PATH)).json()["labels"] == {}


async def test_the_default_can_always_be_chosen(http: httpx.AsyncClient):
    response = await http.patch(PATH, json={"fps": None, "retention_days": None, "policy": None})
    assert (response.status_code, response.json()["fps"], response.json()["retention_days"]) == (200, None, None)


async def test_both_python_clients_and_the_command(url: str, engine: StreamEngine):
    with HermesClient(url) as client:
        assert client.configure(STREAM, labels={"site": "north"}).labels == {"site": "north"}
        assert [stream.id for stream in client.streams(label=["site=north"])] == [STREAM]
        with pytest.raises(InvalidRequest, match="policy"):
            client.configure(STREAM, policy="full")
        with pytest.raises(UnknownStream):
            client.configure("nobody", labels={})
    async with AsyncHermesClient(url) as client:
        assert (await client.configure(STREAM, labels={"floor": "2"})).labels == {"floor": "2", "site": "north"}

    def hermes(*arguments: str):
        return CliRunner().invoke(commands, ["streams", *arguments])

    done = hermes("set", STREAM, "--label", "site=", "--label", "door=a", "--url", url)
    assert done.stdout == f"{STREAM}: door=a, floor=2; the default rate; the default retention\n"
    listed = json.loads(hermes("--json", "--label", "door", "--url", url).stdout)["streams"]
    assert [stream["labels"] for stream in listed] == [{"door": "a", "floor": "2"}]
    for wrong in (["set", STREAM], ["set", STREAM, "--fps", "fast"], ["set", STREAM, "--label", "site"]):
        assert hermes(*wrong, "--url", url).exit_code == 2
