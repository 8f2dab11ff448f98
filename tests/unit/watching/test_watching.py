"""A recording in a memory of this process: at its own pace, to a position, behind a memory that there was."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import ConfigError, InvalidMemory, InvalidStreamId, SourceError, UnknownStream
from hermes_ray.video.sources.cameras.http import HttpSource
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.watching import Watching, export_memory, import_memory, watch
from tests.patience import LIMIT_S
from tests.unit.watching.films import SEED, film

FAST = float("inf")
QUESTION = "what happened ?"


@pytest.fixture(scope="module")
def engine() -> Iterator[StreamEngine]:
    memory = MemorySettings(budget_tokens=126, slots=4)
    # Fewer frames may wait than a watcher has on the way.
    limits = EngineSettings(max_frames_waiting=3)
    with StreamEngine.from_pretrained("hermes-tiny", device="cpu", memory=memory, engine=limits) as engine:
        yield engine


@pytest.fixture(autouse=True)
def no_stream_is_left(engine: StreamEngine) -> Iterator[None]:
    yield
    for stream in engine.streams():
        engine.drop(stream)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("films") / "a street.mp4", seconds=12)


def test_a_file_is_shown_as_far_as_a_position_and_then_to_its_end(engine: StreamEngine, recording: Path):
    watching = Watching(engine, FileSource(recording), "street", speed=FAST, fps=2)
    assert watching.show(5.0)
    seen = engine.stream_stats("street")
    assert seen.as_of_ms is not None
    assert (seen.frames_seen, watching.frames, watching.position_s) == (11, 11, 5.0)
    assert watching.position_of(seen.as_of_ms) == 5.0
    assert not watching.ended
    assert not watching.show()
    assert watching.ended
    assert engine.stream_stats("street").frames_seen == watching.frames == 24
    assert watching.duration_s == pytest.approx(12, abs=0.1)


def test_the_memory_is_that_of_the_same_frames_handed_in_by_hand(engine: StreamEngine):
    with watch(engine, SimulatedCamera(SEED, fps=2, seconds=16, start_ts_ms=0), "watched", speed=FAST) as watching:
        watching.wait()
    for frame in SimulatedCamera(SEED, fps=2, seconds=16, start_ts_ms=0).frames():
        engine.ingest("by-hand", [frame.image], [frame.ts_ms]).result()
    watched, by_hand = (engine.ask(stream, QUESTION).result() for stream in ("watched", "by-hand"))
    assert (watched.text, watched.as_of_ms) == (by_hand.text, by_hand.as_of_ms)
    assert engine.memory_map("watched").frames == engine.memory_map("by-hand").frames


def test_one_may_ask_while_it_is_shown_and_close_it_at_any_moment(engine: StreamEngine):
    with watch(engine, f"sim://{SEED}", speed=4, seconds=3600) as watching:
        assert watching.stream_id == "camera"
        watching.wait_for_first_frame()
        seen = engine.ask("camera", QUESTION).result(LIMIT_S).frames_seen
        assert seen >= 1
        assert not watching.ended
        assert not watching.wait(timeout_s=0.01)
    assert watching.ended
    assert engine.stream_stats("camera").frames_seen == watching.frames


def test_a_recording_is_not_shown_faster_than_its_speed(engine: StreamEngine):
    began_s = time.monotonic()
    with watch(engine, f"sim://{SEED}", speed=20, seconds=10) as watching:
        watching.wait()
    assert time.monotonic() - began_s >= watching.position_s / 20
    assert watching.position_s == 9.5


def test_the_stream_is_called_after_the_file(engine: StreamEngine, recording: Path):
    with watch(engine, recording, seconds=1, speed=FAST) as watching:
        watching.wait()
    assert engine.streams() == ["a-street"]
    with pytest.raises(InvalidStreamId):
        watch(engine, recording, "a street")


@pytest.mark.parametrize("speed", [2.0, FAST])
def test_a_camera_has_its_own_speed(engine: StreamEngine, speed: float):
    with pytest.raises(ConfigError, match="camera"):
        watch(engine, HttpSource("http://127.0.0.1:9/picture.jpg", fps=2), "front-door", speed=speed)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_is_above_zero(engine: StreamEngine, speed: float):
    with pytest.raises(ConfigError, match="speed"):
        watch(engine, f"sim://{SEED}", speed=speed)


def test_what_goes_wrong_with_a_source_is_told_to_who_waits(engine: StreamEngine, tmp_path: Path):
    with pytest.raises(SourceError, match="neither a file"):
        watch(engine, tmp_path / "missing.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with watch(engine, tmp_path / "broken.mp4") as watching:
        watching.wait_for_first_frame()
        with pytest.raises(SourceError, match="broken"):
            watching.wait()
    assert isinstance(watching.failure, SourceError)


def test_a_memory_goes_on_where_another_recording_begins(engine: StreamEngine):
    # Shown faster than it was taken, so the memory is ahead of the clock.
    with watch(engine, f"sim://{SEED}", "first", speed=FAST, seconds=20) as watching:
        watching.wait()
    answer = engine.ask("first", QUESTION).result()
    import_memory(engine, "second", export_memory(engine, "first"))
    assert engine.ask("second", QUESTION).result().text == answer.text

    with watch(engine, f"sim://{SEED + 1}", "second", speed=FAST, seconds=5) as watching:
        watching.wait()
    drawn = engine.memory_map("second")
    assert drawn.frames_seen == 40 + 10
    captured = [ms for ms in drawn.captured_ms if ms is not None]
    assert captured == sorted(set(captured))
    assert watching.position_of(answer.as_of_ms) == -0.5


def test_a_camera_cannot_go_on_with_a_memory_that_is_ahead_of_it(engine: StreamEngine):
    ahead_ms = round(time.time() * 1000) + 3_600_000
    with watch(engine, SimulatedCamera(SEED, fps=2, seconds=2, start_ts_ms=ahead_ms), "cam", speed=FAST) as watching:
        watching.wait()

    class Camera(HttpSource):
        def frames(self):
            return SimulatedCamera(SEED, seconds=1).frames()

    with (
        watch(engine, Camera("http://127.0.0.1:9/picture.jpg", fps=2), "cam") as watching,
        pytest.raises(SourceError, match=r"36\d\d s later"),
    ):
        watching.wait()


def test_what_is_no_memory_is_refused(engine: StreamEngine):
    with watch(engine, f"sim://{SEED}", "street", speed=FAST, seconds=2) as watching:
        watching.wait()
    data = export_memory(engine, "street")
    for broken in (b"", b"no memory", data[:-100]):
        with pytest.raises(InvalidMemory):
            import_memory(engine, "copy", broken)
    with pytest.raises(InvalidMemory):  # it has one
        import_memory(engine, "street", data)
    with pytest.raises(UnknownStream):
        export_memory(engine, "nobody")
    assert engine.streams() == ["street"]


async def test_a_memory_goes_to_a_running_system_and_comes_back(engine: StreamEngine):
    from hermes_ray.api.engine_backend import EngineBackend
    from hermes_ray.config import AccessSettings, ApiSettings, Settings
    from tests.unit.api.conftest import app_of, in_process

    with watch(engine, f"sim://{SEED}", "street", speed=FAST, seconds=10) as watching:
        watching.wait()
    said = engine.ask("street", QUESTION).result()
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
    memory = MemorySettings(budget_tokens=126, slots=1)
    with StreamEngine.from_pretrained("hermes-tiny", device="cpu", memory=memory) as other:
        async with in_process(app_of(EngineBackend(other), settings)) as http:
            done = await http.post("/v1/streams/street/import", content=export_memory(engine, "street"))
            assert done.status_code == httpx.codes.CREATED
            answer = (await http.post("/v1/streams/street/query", json={"question": QUESTION})).json()
            assert (answer["answer"], answer["frames_seen"]) == (said.text, said.frames_seen)
            back = (await http.get("/v1/streams/street/export")).content
    import_memory(engine, "back", back)
    assert engine.ask("back", QUESTION).result().text == said.text
