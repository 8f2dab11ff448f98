"""The Python client against the application on a socket."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from ray.exceptions import RayTaskError

from hermes_ray.api.schemas.questions import AnswerResponse, TokenEvent
from hermes_ray.client import HermesClient, protocol
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import (
    ApiUnreachable,
    ConfigError,
    InvalidQuestion,
    InvalidRequest,
    InvalidStreamId,
    Overloaded,
    QuestionTimeout,
    UnknownStream,
)
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM, is_cancelled


@pytest.fixture
def client(url: str) -> Iterator[HermesClient]:
    with HermesClient(url) as client:
        yield client


def test_streams(client: HermesClient):
    client.ready()
    (listed,) = client.streams()
    assert (listed.id, listed.frames_seen) == (STREAM, FRAMES)
    assert client.stream(STREAM).model_copy(update={"age_ms": listed.age_ms}) == listed


def test_a_stream_that_was_reset_is_gone_until_its_next_frame(client: HermesClient, engine: StreamEngine):
    engine.ingest("spare", [np.zeros((64, 64, 3), np.uint8)], [FIRST_TS_MS]).result(60)
    assert client.stream("spare").frames_seen == 1
    assert client.reset("spare").id == "spare"
    for act in (client.stream, client.reset):
        with pytest.raises(UnknownStream):
            act("spare")
    assert [stream.id for stream in client.streams()] == [STREAM]


def test_tokens_then_the_answer(client: HermesClient):
    whole = client.ask(STREAM, "What is there?", max_tokens=6)
    *tokens, last = client.ask_stream(STREAM, "What is there?", max_tokens=6)
    assert all(isinstance(token, TokenEvent) for token in tokens)
    assert isinstance(last, AnswerResponse)
    assert "".join(token.text for token in tokens) == last.answer == whole.answer


def test_errors_that_ray_derives_from_ours_do_not_take_their_place(client: HermesClient):
    RayTaskError("ask", "", UnknownStream("no such stream")).as_instanceof_cause()  # makes a class
    with pytest.raises(UnknownStream) as raised:
        client.ask("nobody", "q")
    assert type(raised.value) is UnknownStream


@pytest.mark.parametrize(
    ("stream", "question", "options", "error"),
    [
        ("nobody", "q", {}, UnknownStream),
        ("a b?c", "q", {}, InvalidStreamId),
        (STREAM, " ", {}, InvalidQuestion),
        (STREAM, "q", {"max_tokens": 0}, InvalidRequest),
        (STREAM, "q" * 100_000, {}, InvalidRequest),
        (STREAM, "q", {"timeout_s": 1e-6}, QuestionTimeout),
    ],
)
def test_problems_come_back_as_the_errors_they_were(
    client: HermesClient, stream: str, question: str, options: dict, error: type[Exception]
):
    with pytest.raises(error):
        client.ask(stream, question, **options)
    with pytest.raises(error):
        next(client.ask_stream(stream, question, **options))


def test_overload_says_when_to_come_back(client: HermesClient, engine: StreamEngine):
    answers = [engine.ask(STREAM, Question("What happens?", max_tokens=4096)) for _ in range(4)]
    try:
        with pytest.raises(Overloaded) as raised:
            client.ask(STREAM, "q")
    finally:
        for answer in answers:
            answer.cancel()
    assert raised.value.retry_after_s >= 1


def test_a_failure_half_way_is_raised_after_the_tokens(client: HermesClient):
    events = client.ask_stream(STREAM, "What happens?", max_tokens=4096, timeout_s=1.5)
    assert isinstance(next(events), TokenEvent)
    with pytest.raises(QuestionTimeout):
        list(events)


async def test_closing_the_iterator_cancels_the_answer(client: HermesClient, engine: StreamEngine):
    answered = engine.stats().questions_answered
    events = client.ask_stream(STREAM, "What happens?", max_tokens=4096)
    next(events)
    events.close()
    assert await is_cancelled(engine, answered)


def test_no_server():
    with HermesClient("http://127.0.0.1:9") as client:
        with pytest.raises(ApiUnreachable):
            client.alive()
        with pytest.raises(ApiUnreachable):
            client.streams()


def test_a_server_that_lives(client: HermesClient):
    client.alive()


def test_somebody_who_never_answers_is_told_from_an_api_in_a_quarter_of_a_minute(monkeypatch: pytest.MonkeyPatch):
    assert protocol.alive().timeout.read + protocol.CONNECT_TIMEOUT_S <= 15
    monkeypatch.setattr(protocol, "_ALIVE_TIMEOUT_S", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        HermesClient(f"http://127.0.0.1:{silent.getsockname()[1]}") as client,
        pytest.raises(ApiUnreachable),
    ):
        client.alive()


def test_what_is_no_url():
    with pytest.raises(ConfigError, match="no URL"):
        HermesClient("http://host:port")


@pytest.mark.parametrize("body", [b"<html>", b'{"streams": [{"id": "x"}]}'])
def test_some_other_server(body: bytes):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with HermesClient(f"http://127.0.0.1:{server.server_port}") as client, pytest.raises(ApiUnreachable):
            client.streams()
        server.shutdown()
