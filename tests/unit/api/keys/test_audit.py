"""The audit log says who asked which stream with which outcome."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from hermes_ray.api.keys.audit import Audit
from hermes_ray.api.keys.scopes import Caller
from hermes_ray.config import AccessSettings
from tests.unit.api.conftest import STREAM
from tests.unit.api.keys.conftest import MakeKey, Serve, bearer

PATH = f"/v1/streams/{STREAM}/query"
QUESTION = {"question": "Who was here?", "max_tokens": 1}


def audited(lines: list[Any]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "audit"]


async def test_a_question_its_asker_and_its_outcome_are_one_line(serve: Serve, make_key: MakeKey):
    secret = make_key("ask", name="wall display")
    async with serve() as http:
        with capture_logs() as lines:
            for path in (PATH, "/v1/streams/nobody/query"):
                await http.post(path, json=QUESTION, headers=bearer(secret) | {"X-Request-ID": "r-1"})
    answered, unknown = audited(lines)
    assert answered.pop("duration_ms") >= 0
    assert answered == {
        "event": "audit",
        "log_level": "info",
        "action": "ask",
        "key": secret.split("_")[1],
        "key_name": "wall display",
        "stream_id": STREAM,
        "outcome": "answered",
        "request_id": "r-1",
    }
    assert (unknown["stream_id"], unknown["outcome"]) == ("nobody", "unknown-stream")


@pytest.mark.parametrize(("mode", "expected"), [("off", []), ("requests", [None]), ("questions", ["Who was here?"])])
async def test_the_text_of_questions_is_written_only_if_the_settings_say_so(
    serve: Serve, make_key: MakeKey, mode: str, expected: list[str | None]
):
    secret = make_key("ask")
    async with serve(access={"audit": mode}) as http:
        with capture_logs() as lines:
            await http.post(PATH, json=QUESTION, headers=bearer(secret))
    assert [line.get("question") for line in audited(lines)] == expected
    assert secret not in str(lines)


async def test_refusals_are_written_without_what_was_presented(serve: Serve, make_key: MakeKey):
    secret = make_key("read", name="reader")
    async with serve() as http:
        with capture_logs() as lines:
            await http.post(PATH, json=QUESTION, headers=bearer("hermes_0_wrong"))
            await http.post(PATH, json=QUESTION, headers=bearer(secret))
    unknown, forbidden = audited(lines)
    assert (unknown["action"], unknown["key"], unknown["outcome"]) == ("refused", None, "unauthorized")
    assert (forbidden["key_name"], forbidden["outcome"], forbidden["path"]) == ("reader", "forbidden", PATH)
    assert "wrong" not in str(lines)


async def test_looks_are_one_line_for_each_key_stream_and_minute(serve: Serve, make_key: MakeKey):
    guard, wall = make_key("read", name="guard", streams=("front-*",)), make_key("read", name="wall")
    paths = [f"/v1/streams/{STREAM}/latest.jpg", *(f"/v1/streams/{STREAM}/frames/{frame}.jpg" for frame in range(3))]
    async with serve() as http:
        with capture_logs() as lines:
            for _ in range(3):
                for path in (*paths, "/v1/streams/back-door/latest.jpg"):
                    for secret in (guard, wall):
                        await http.get(path, headers=bearer(secret))
    looks = audited(lines)
    assert {line["action"] for line in looks} == {"look"}
    said = [(line["key_name"], line["stream_id"], line["outcome"]) for line in looks]
    expected = {(name, STREAM, "done") for name in ("guard", "wall")}
    expected |= {(name, "back-door", "unknown-stream") for name in ("guard", "wall")}
    assert set(said) == expected
    assert len(said) <= 2 * len(expected)  # a minute may have ended meanwhile


def test_every_minute_has_lines_of_its_own() -> None:
    now_s = [600.0]
    audit = Audit(AccessSettings(), lambda: now_s[0])
    caller = Caller("id", "guard", frozenset(), ("*",))
    with capture_logs() as lines:
        for _ in range(5):
            for stream in ("yard", "gate"):
                with audit.looked(caller, "look", stream, "r-1"):
                    pass
            now_s[0] += 30
    assert [line["stream_id"] for line in audited(lines)] == ["yard", "gate"] * 3
