"""Pictures of frames over HTTP: of the right frame, for as long as the memory knows it, and only for who may look."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from hermes_ray.cli.main import app as cli
from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import FrameGone, UnknownFrame
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM

LIVELY = "lively"
SHOWN = 40


def shade_of(frame: int) -> int:
    return 8 + 6 * frame


def captured_ms(frame: int) -> int:
    return FIRST_TS_MS + 500 * frame


@pytest.fixture
def lively(engine: StreamEngine) -> Iterator[str]:
    """A stream of which much is forgotten; every frame is a grey of its own, wider than a thumbnail."""
    images = [np.full((200, 400, 3), shade_of(frame), np.uint8) for frame in range(SHOWN)]
    engine.ingest(LIVELY, images, [captured_ms(frame) for frame in range(SHOWN)]).result(60)
    yield LIVELY
    engine.drop(LIVELY)


def seen_in(response: httpx.Response) -> tuple[tuple[int, int], float]:
    """Size and grey of a picture, by another decoder."""
    assert response.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.format == "JPEG"
        return picture.size, float(np.asarray(picture.convert("L")).mean())


async def test_what_the_memory_knows_can_be_looked_at_and_nothing_else(http: httpx.AsyncClient, lively: str):
    known = (await http.get(f"/v1/streams/{lively}/memory")).json()["frames"]
    assert 1 < len(known) < SHOWN
    for frame in range(SHOWN):
        response = await http.get(f"/v1/streams/{lively}/frames/{frame}.jpg")
        if frame in known:
            assert seen_in(response) == ((320, 160), pytest.approx(shade_of(frame), abs=3))
            assert response.headers["x-frame"] == str(frame)
            assert response.headers["x-captured-ms"] == str(captured_ms(frame))
        else:
            assert (response.status_code, response.json()["code"]) == (410, "frame-gone")
            assert "compacted" in response.json()["detail"]


async def test_the_latest_picture_follows_the_stream(http: httpx.AsyncClient, engine: StreamEngine, lively: str):
    first = await http.get(f"/v1/streams/{lively}/latest.jpg")
    assert seen_in(first)[1] == pytest.approx(shade_of(SHOWN - 1), abs=3)
    same = await http.get(f"/v1/streams/{lively}/latest.jpg", headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    engine.ingest(lively, [np.full((50, 30, 3), 20, np.uint8)], [captured_ms(SHOWN)]).result(60)
    newer = await http.get(f"/v1/streams/{lively}/latest.jpg", headers={"if-none-match": first.headers["etag"]})
    assert newer.status_code == 200
    assert seen_in(newer) == ((30, 50), pytest.approx(20, abs=3))
    assert newer.headers["x-frame"] == str(SHOWN)


async def test_a_picture_is_asked_for_again_without_its_bytes(http: httpx.AsyncClient):
    path = f"/v1/streams/{STREAM}/frames/0.jpg"
    whole = await http.get(path)
    etag = whole.headers["etag"]
    for condition, status in ((etag, 304), (f'"other", W/{etag}', 304), ("*", 304), ('"other"', 200)):
        assert (await http.get(path, headers={"if-none-match": condition})).status_code == status
    head = await http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
    assert head.headers["etag"] == etag
    assert "private" in whole.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{STREAM}/frames/{FRAMES}.jpg", 404, "unknown-frame"),
        ("nobody/frames/0.jpg", 404, "unknown-stream"),
        ("nobody/latest.jpg", 404, "unknown-stream"),
        (f"{STREAM}/frames/-1.jpg", 422, "invalid-request"),
        (f"{STREAM}/frames/{2**70}.jpg", 422, "invalid-request"),
        (f"{STREAM}/frames/one.jpg", 422, "invalid-request"),
        ("a%20b/latest.jpg", 422, "invalid-stream-id"),
    ],
)
async def test_what_is_no_frame_is_said_to_be_none(http: httpx.AsyncClient, path: str, status: int, code: str):
    response = await http.get(f"/v1/streams/{path}")
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("route", ["query", "completions", "responses"])
async def test_every_answer_shows_what_it_rests_on(http: httpx.AsyncClient, lively: str, route: str):
    if route == "query":
        answer = (await http.post(f"/v1/streams/{lively}/query", json={"question": "q", "max_tokens": 2})).json()
        as_of = answer["as_of"]
    elif route == "completions":
        chat = {"model": f"stream/{lively}", "messages": [{"role": "user", "content": "q"}], "max_tokens": 2}
        answer = (await http.post("/v1/chat/completions", json=chat)).json()["hermes"]
        as_of = answer["as_of"]
    else:
        asked = {"model": f"stream/{lively}", "input": "q", "max_output_tokens": 2}
        answer = (await http.post("/v1/responses", json=asked)).json()["hermes"]
        as_of = answer["as_of"]
    assert answer["evidence"]
    for item in answer["evidence"]:
        assert item["captured_ms"] == captured_ms(item["frame"])
        moment = datetime.fromtimestamp(item["captured_ms"] / 1000, UTC)
        assert datetime.fromisoformat(item["captured"]) == moment <= datetime.fromisoformat(as_of)
        picture = await http.get(item["picture"])
        assert seen_in(picture)[1] == pytest.approx(shade_of(item["frame"]), abs=3)
        assert picture.headers["x-captured-ms"] == str(item["captured_ms"])


async def test_both_clients_get_the_same_pictures(url: str, lively: str, engine: StreamEngine):
    gone = next(n for n in range(SHOWN) if n not in engine.memory_map(lively).frames)
    async with AsyncHermesClient(url) as client:
        latest, first = await client.latest(lively), await client.frame(STREAM, 0)
        with pytest.raises(FrameGone, match="compacted"):
            await client.frame(lively, gone)
        with pytest.raises(UnknownFrame):
            await client.frame(lively, SHOWN)
    with HermesClient(url) as blocking:
        assert (blocking.latest(lively), blocking.frame(STREAM, 0)) == (latest, first)
    assert (latest.frame, latest.captured_ms) == (SHOWN - 1, captured_ms(SHOWN - 1))
    with Image.open(io.BytesIO(latest.jpeg)) as picture:
        assert picture.size == (320, 160)


def hermes(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_hermes_look_saves_a_picture(url: str, lively: str, tmp_path: Path):
    path = tmp_path / "seen.jpg"
    result = hermes("look", lively, "--frame", str(SHOWN - 2), "-o", str(path), "--url", url)
    said = " ".join(result.stderr.split())
    assert (result.exit_code, f"frame {SHOWN - 2}, captured 2026-01-02T03:04:24.000+00:00" in said) == (0, True)
    with Image.open(path) as picture:
        assert float(np.asarray(picture.convert("L")).mean()) == pytest.approx(shade_of(SHOWN - 2), abs=3)
    piped = hermes("look", lively, "-o", "-", "--url", url)
    with Image.open(io.BytesIO(piped.stdout_bytes)) as picture:
        assert float(np.asarray(picture.convert("L")).mean()) == pytest.approx(shade_of(SHOWN - 1), abs=3)


def test_hermes_look_says_why_there_is_nothing_to_see(url: str, lively: str, tmp_path: Path):
    for arguments, code, reason in (
        (["--frame", "0"], 1, "compacted"),
        (["--frame", str(SHOWN)], 1, "newest is frame"),
        (["-o", str(tmp_path / "no" / "such.jpg")], 2, "--output: cannot write"),
    ):
        result = hermes("look", lively, *arguments, "--url", url)
        assert (result.exit_code, reason in " ".join(result.stderr.split())) == (code, True)


def test_hermes_ask_names_the_frames_that_can_be_looked_at(url: str, lively: str):
    result = hermes("ask", lively, "q", "--max-tokens", "2", "--url", url)
    assert "rests on frames" in result.stderr
    assert f"hermes look {lively} --frame" in " ".join(result.stderr.split())
