"""Levels of load against hand calculations, and a plain connection against a real server."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.serving.http_askers import HttpAskers
from hermes_ray.bench.serving.http_connection import HttpConnection
from hermes_ray.bench.serving.level import Level, Outcomes
from hermes_ray.bench.serving.picture import draw
from hermes_ray.bench.serving.plan import Plan
from hermes_ray.bench.serving.results import figures
from hermes_ray.bench.serving.run import SCHEMA
from hermes_ray.cli.main import app
from tests.patience import LIMIT_S

PLAN = Plan(askers=(1, 64, 500), seconds=10)


def level(way: str, askers: int, answers: int, *, behind_s: float | None = None, **amiss: Counter[str]) -> Level:
    outcomes = Outcomes(first_token_s=[0.1] * answers, **amiss)
    if behind_s is not None:
        outcomes.behind_engine_s = [0.0, behind_s, 1.0]
    return Level(way, askers, 10.0, outcomes, {"worker": answers * 0.02})


def levels() -> list[Level]:
    return [
        level("engine", 1, 100),
        level("engine", 64, 400),
        level("json", 1, 80),
        level("json", 64, 320),
        level("json", 500, 300, refused=Counter(overloaded=7)),
        level("sse", 1, 80, behind_s=0.004),
        level("sse", 64, 200),
        level("sse", 500, 200, failed=Counter({"question-timeout": 2}), dropped=Counter({"503": 3})),
    ]


def test_figures_are_those_of_a_hand_calculation():
    found = {(figure.model, figure.name): figure for figure in figures(PLAN, levels())}
    assert found["json", "answers_at_64_over_1"].value == pytest.approx(4.0)
    assert found["json", "answers_over_engine_at_64"].value == pytest.approx(0.8)
    assert found["sse", "answers_over_engine_at_64"].value == pytest.approx(0.5)
    assert found["sse", "first_token_behind_engine"].value == pytest.approx(4.0)
    assert found["sse", "neither_answered_nor_refused"].value == 5
    assert {key for key, figure in found.items() if not figure.passed} == {
        ("sse", "answers_at_64_over_1"),
        ("sse", "answers_over_engine_at_64"),
        ("sse", "neither_answered_nor_refused"),
    }


def test_documents_keep_to_the_schema_also_without_an_answer(check_schema: Callable[[str, Any], None], tmp_path):
    measured = [*levels(), level("sse", 500, 0)]
    found = list(figures(PLAN, measured))
    document = report(describe_machine(), found, quick=True, seconds=1.0, schema=SCHEMA, plan=PLAN, levels=measured)
    check_schema("serving", json.loads(json.dumps(document)))
    draw(measured, tmp_path / "serving.png")
    assert (tmp_path / "serving.png").read_bytes().startswith(b"\x89PNG")


PROBLEM = json.dumps({"code": "overloaded"}).encode()
RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 429 Too Many\r\ncontent-type: application/problem+json\r\nretry-after: 0\r\ncontent-length: "
    + str(len(PROBLEM)).encode()
    + b"\r\n\r\n"
    + PROBLEM,
    b"HTTP/1.1 503 Gone\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    b"4\r\nbusy\r\n0\r\n\r\n",
)


async def test_answers_refusals_and_what_is_neither_are_told_apart():
    responses = iter(RESPONSES)
    over = asyncio.Event()
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (head := await reader.read(4096)) and (response := next(responses, None)):
            asked.append(head.split()[1].decode())
            writer.write(response)
        over.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        askers = HttpAskers(f"http://{host}:{port}", PLAN, streamed=False)
        asking = asyncio.create_task(askers.ask_for_ever(7))
        await asyncio.wait_for(over.wait(), LIMIT_S)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    # One stream after the other, beginning with another for the next asker.
    assert asked[:2] == ["/v1/streams/camera-3/query", "/v1/streams/camera-0/query"]
    assert askers.outcomes.answered == 1
    assert askers.outcomes.refused == Counter(overloaded=1)
    assert askers.outcomes.dropped["503"] == 1


async def test_a_plain_connection_reads_what_httpx_reads():
    text = "".join(f"line {number}\n" for number in range(500))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for start in range(0, len(text), 700):
            piece = text[start : start + 700].encode()
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        url = f"http://{host}:{port}"
        async with httpx.AsyncClient() as client:
            expected = (await client.post(url, json={})).text
        async with HttpConnection(url) as connection:
            response = await connection.post("/", {})
            body = b"".join([piece async for piece in connection.body(response)])
    assert body.decode() == expected == text


def test_levels_with_nothing_to_compare_with_are_a_wrong_option():
    result = CliRunner().invoke(app, ["bench", "serving", "--askers", "500", "--askers", "400"])
    assert (result.exit_code, "--askers 400: add a level of at most 72" in result.output) == (2, True)
