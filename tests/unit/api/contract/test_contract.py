"""The API keeps what its OpenAPI document says, whatever is sent. Schemathesis makes the requests out of it."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
from fastapi import FastAPI
from requests.structures import CaseInsensitiveDict
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.result import Err
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from hermes_ray.api.application import create_app
from hermes_ray.api.backend import Backend
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.config import (
    AccessSettings,
    ApiSettings,
    EngineSettings,
    EventSettings,
    LimitSettings,
    MemorySettings,
    Settings,
)
from hermes_ray.engine import StreamEngine
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.local import LocalEvents
from hermes_ray.models import ModelAdapter
from hermes_ray.video.thumbnail import thumbnail_maker

OpenBackend = Callable[[], AbstractAsyncContextManager[Backend]]

STREAM = "front-door"
"""The document's example of a stream, so that some requests are about one that exists."""
KEY, SECRET = new_key("test", Scope, ["*"], datetime.now(UTC), None)
SLOW_S = 120
OF_THE_SYSTEM = ("Last-Event-ID", "cursor", "labels", "policy", "budget_tokens", "fps", "retention_days")
"""Fields of which some values are refused that the schema allows."""


def application(keys_file: Path | None, open_backend: OpenBackend) -> FastAPI:
    if keys_file is not None:
        write_keys(keys_file, KeyFile(keys=(KEY,)))
    access = AccessSettings(audit="off", open_without_keys=True, keys_file=keys_file)
    limits = LimitSettings(requests_per_s=1e6, burst=10**6)
    return create_app(open_backend, Settings(api=ApiSettings(access=access, limits=limits)))


def requests_for(app: FastAPI, **config: Any) -> BaseSchema:
    """The requests that follow from the document, the same each time."""
    settings = {
        "seed": 20261127,
        "request-timeout": SLOW_S,
        "suppress-health-check": ["too_slow"],
        "generation": {"deterministic": True, "max-examples": 20, "database": "none"},
        "dictionaries": {"streams": {"values": [STREAM]}, "frames": {"values": [0, 1, 2]}, "tags": {"values": ["*"]}},
        "parameters": {
            "path.id": {"dictionary": "streams", "probability": 0.7},
            "path.frame": {"dictionary": "frames", "probability": 0.5},
            "header.if-none-match": {"dictionary": "tags", "probability": 0.5},
        },
    }
    schema = schemathesis.openapi.from_dict(app.openapi(), config=schemathesis.Config.from_dict(settings | config))
    schema.app = app
    return schema.exclude(operation_id="watchStreams")  # it has no end to wait for; test_updates.py looks at it


@pytest.fixture(scope="module")
def engine(adapter: ModelAdapter) -> Iterator[StreamEngine]:
    memory = MemorySettings(policy="sink_window", budget_tokens=256, slots=4)
    answers = EngineSettings(max_answer_tokens=8)
    with StreamEngine(adapter, memory, answers, thumbnail=thumbnail_maker(320)) as engine:
        yield engine


@pytest.fixture(scope="module")
def open_backend(engine: StreamEngine, tmp_path_factory: pytest.TempPathFactory) -> OpenBackend:
    database = EventDatabase(f"sqlite:///{tmp_path_factory.mktemp('events')}/events.sqlite", EventSettings())
    database.prepare()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Backend]:
        events = LocalEvents(database)
        yield EngineBackend(engine, events=events)
        events.close()

    return opened


@pytest.fixture(scope="module")
def keyed(open_backend: OpenBackend, tmp_path_factory: pytest.TempPathFactory) -> BaseSchema:
    app = application(tmp_path_factory.mktemp("keys") / "keys.json", open_backend)
    return requests_for(app, auth={"openapi": {"key": {"bearer": SECRET}}})


@pytest.fixture(scope="module")
def keyless(open_backend: OpenBackend) -> BaseSchema:
    return requests_for(application(None, open_backend))


def show(engine: StreamEngine) -> None:
    # Frames of now: what a question waits for is seldom between them and its end.
    now_ms = int(time.time() * 1000)
    image = np.full((64, 64, 3), 128, np.uint8)
    engine.ingest(STREAM, [image] * 3, [now_ms - 2000, now_ms - 1000, now_ms]).result(60)


def check(case: schemathesis.Case, operation: APIOperation, engine: StreamEngine) -> None:
    """Send a request to the API with keys, and the same without its key to the one that has none."""
    call(case, engine)
    headers = {name: value for name, value in case.headers.items() if SECRET not in value}
    if len(headers) < len(case.headers):  # otherwise the key is what is wrong with the request
        keyless = case.derive(headers=CaseInsensitiveDict(headers))
        keyless.operation = operation
        call(keyless, engine)


def call(case: schemathesis.Case, engine: StreamEngine) -> None:
    if STREAM not in engine.streams():  # some requests forget it
        show(engine)
    response = case.call(base_url="http://localhost")
    but_for = []
    if response.status_code == 504:  # the caller's own limit
        assert isinstance(case.body, dict)
        assert case.body["timeout_s"] is not None
        but_for.append(not_a_server_error)
    if response.status_code == 422 and is_beyond_a_schema(response.json()):
        but_for.append(positive_data_acceptance)
    case.validate_response(response, excluded_checks=but_for)


def is_beyond_a_schema(problem: dict[str, Any]) -> bool:
    """A schema cannot say of a question that it is too long, or of a conversation who must speak last.

    Nor which cursor came from a list, which policy the memories of the system have, which file is one of them, and what
    of a standing question fits together.
    """
    if problem["code"] == "invalid-request" and problem["instance"].startswith("/v1/standing-questions"):
        return True
    if problem["code"] == "invalid-request" and "errors" not in problem:
        return problem["detail"].partition(":")[0] in OF_THE_SYSTEM
    return problem["code"] in ("invalid-question", "invalid-memory")


def test_with_and_without_keys_it_answers_as_documented(
    keyed: BaseSchema, keyless: BaseSchema, engine: StreamEngine, subtests: pytest.Subtests
):
    """Send all requests, operation by operation.

    They are made here: it takes seconds, which every test process would spend to collect one test for each operation.
    Schemathesis' own ``from_fixture`` would do that, but not with pytest 9.2.
    """
    load_all_checks()
    without_keys = {
        operation.label: operation for operation in (result.ok() for result in keyless.get_all_operations())
    }
    sent = 0
    for result in get_all_tests(schema=keyed, test_func=check, settings=None, given_kwargs={}):
        if isinstance(result, Err):
            raise result.err()
        operation, send = result.ok()
        with subtests.test(operation.label):
            send(operation=without_keys.pop(operation.label), engine=engine)
        sent += 1
    documented = sum(len(operations) for operations in keyed.raw_schema["paths"].values())
    assert sent == documented - 1  # all but watchStreams
    assert without_keys == {}
