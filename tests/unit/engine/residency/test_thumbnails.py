"""Pictures of frames: which are kept, which go, what a snapshot and a parking place do to them."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import FrameGone, UnknownFrame, UnknownStream
from hermes_ray.memory import snapshot
from hermes_ray.models import ModelAdapter, fingerprint
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.patience import LIMIT_S
from tests.unit.engine.conftest import parked_files, pictures

START_MS = 1_700_000_000_000


def shade_of(frame: int) -> int:
    """The grey of a frame, told apart from the next by more than a JPEG's error."""
    return 10 + 12 * (frame % 20)


def grey(frame: int, side: int = 72) -> NDArray[np.uint8]:
    return np.full((side, side, 3), shade_of(frame), np.uint8)


def shows(jpeg: bytes) -> int:
    """The grey that a picture shows, by another decoder."""
    return round(float(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")).mean()))


@pytest.fixture
def make(adapter: ModelAdapter) -> Iterator[Callable[..., StreamEngine]]:
    engines: list[StreamEngine] = []

    def engine(**memory: object) -> StreamEngine:
        engines.append(StreamEngine(adapter, MemorySettings(**memory), thumbnail=thumbnail_maker(64)))
        return engines[-1]

    yield engine
    for one in engines:
        one.close()


def watch(engine: StreamEngine, count: int, first: int = 0, stream: str = "cam") -> None:
    numbers = range(first, first + count)
    engine.ingest(stream, [grey(n) for n in numbers], [START_MS + 500 * n for n in numbers]).result(LIMIT_S)


def shown(engine: StreamEngine, frames: int, stream: str = "cam") -> list[int]:
    """Frames that have a picture; each must be the right one."""
    found = []
    for frame in range(frames):
        try:
            picture = engine.picture(stream, frame)
        except FrameGone:
            continue
        assert (picture.frame, picture.captured_ms) == (frame, START_MS + 500 * frame)
        assert shows(picture.jpeg) == pytest.approx(shade_of(frame), abs=4)
        found.append(frame)
    return found


@pytest.mark.parametrize("policy", ["hermes", "recent_only", "uniform", "full"])
def test_a_frame_has_a_picture_as_long_as_the_memory_holds_tokens_of_it(make: Callable[..., StreamEngine], policy: str):
    engine = make(policy=policy, budget_tokens=100 if policy != "full" else 1000, slots=1)
    for first in (0, 16, 40):
        watch(engine, 16 if first == 0 else 24, first)
        seen = first + (16 if first == 0 else 24)
        assert shown(engine, seen) == list(engine.memory_map("cam").frames)
        latest = engine.picture("cam")
        assert (latest.frame, shows(latest.jpeg)) == (seen - 1, pytest.approx(shade_of(seen - 1), abs=4))


def test_why_there_is_no_picture(make: Callable[..., StreamEngine]):
    engine = make(policy="recent_only", budget_tokens=100, slots=1)
    watch(engine, 30)
    with pytest.raises(FrameGone, match="forgotten: the memory was compacted"):
        engine.picture("cam", 0)
    with pytest.raises(UnknownFrame, match="newest is frame 29, not 30"):
        engine.picture("cam", 30)
    with pytest.raises(UnknownStream):
        engine.picture("nobody", 0)
    off = make(policy="full", budget_tokens=1000, slots=1, thumbnail_bytes=0)
    watch(off, 1)
    with pytest.raises(FrameGone, match=r"memory\.thumbnail_bytes is 0"):
        off.picture("cam")


def test_within_the_budget_the_newest_stay_and_what_deep_layers_hold_least_of_goes(make: Callable[..., StreamEngine]):
    size = len(thumbnail_maker(64)(grey(0)))
    engine = make(policy="hermes", budget_tokens=100, slots=1, thumbnail_bytes=6 * size)
    watch(engine, 40)
    held = engine.memory_map("cam")
    deep = dict(zip(held.frames, held.tiers[-1].tokens, strict=True))
    kept = shown(engine, 40)
    assert 4 <= len(kept) <= 6 < len(held.frames)
    assert 39 in kept
    assert min(deep[frame] for frame in kept) >= max(deep[frame] for frame in held.frames if frame not in kept)
    left_out = next(frame for frame in held.frames if frame not in kept)
    with pytest.raises(FrameGone, match=f"made room for others .memory.thumbnail_bytes is {6 * size}."):
        engine.picture("cam", left_out)


def test_a_budget_smaller_than_a_picture_still_shows_the_newest(make: Callable[..., StreamEngine]):
    engine = make(policy="full", budget_tokens=1000, slots=1, thumbnail_bytes=1)
    watch(engine, 3)
    assert shown(engine, 3) == [2]


def test_pictures_are_in_snapshots(make: Callable[..., StreamEngine]):
    before, after, smaller = (
        make(policy="hermes", budget_tokens=100, slots=1, **more) for more in ({}, {}, {"thumbnail_bytes": 1})
    )
    watch(before, 30)
    data = before.snapshot("cam")
    after.restore("cam", data)
    smaller.restore("cam", data)
    assert shown(after, 30) == shown(before, 30) == list(before.memory_map("cam").frames)
    assert shown(smaller, 30) == [29]
    for engine in (before, after):
        watch(engine, 30, first=30)
    assert shown(after, 60) == shown(before, 60) == list(before.memory_map("cam").frames)
    before.drop("cam")
    watch(before, 1)
    with pytest.raises(UnknownFrame):
        before.picture("cam", 1)


def test_of_a_snapshot_without_pictures_frames_that_came_before_have_none(
    make: Callable[..., StreamEngine], adapter: ModelAdapter
):
    before, after = (make(policy="recent_only", budget_tokens=100, slots=1) for _ in range(2))
    watch(before, 20)
    model = fingerprint(adapter.decoder)
    loaded = snapshot.load(before.snapshot("cam"), model)
    old = {name: tensor for name, tensor in loaded.attached.items() if not name.startswith("thumbnails.")}
    after.restore("cam", snapshot.dump(replace(loaded, attached=old), model))
    watch(after, 1, first=20)
    assert shown(after, 21) == [20]
    with pytest.raises(FrameGone, match="none was made"):
        after.picture("cam", 19)
    with pytest.raises(FrameGone, match="forgotten"):
        after.picture("cam", 0)


@pytest.mark.parametrize("host_streams", [2, 0], ids=["in host memory", "on disk"])
def test_pictures_of_a_parked_memory_are_the_same(make: Callable[..., StreamEngine], tmp_path: Path, host_streams: int):
    settings = {"policy": "hermes", "budget_tokens": 100}
    settled = make(slots=1, **settings)
    crowded = make(slots=1, host_streams=host_streams, spill_directory=tmp_path, **settings)
    for first in range(0, 30, 10):
        watch(settled, 10, first)
        for stream in ("cam", "other"):
            watch(crowded, 10, first, stream)
    assert len(parked_files(tmp_path)) == (host_streams == 0)
    assert crowded.picture("cam").frame == 29
    assert shown(crowded, 30) == shown(settled, 30) == list(settled.memory_map("cam").frames)
    assert shown(crowded, 30, "other") == shown(crowded, 30)


def test_frames_of_a_group_are_shown_as_long_as_the_group_is_held(pairing: ModelAdapter):
    settings = MemorySettings(policy="recent_only", budget_tokens=70, slots=1)
    with StreamEngine(pairing, settings, thumbnail=thumbnail_maker(64)) as engine:
        for frame in range(81):
            image = np.full((24, 40, 3), shade_of(frame), np.uint8)
            engine.ingest("cam", [image], [START_MS + 500 * frame]).result(LIMIT_S)
        groups = engine.memory_map("cam").frames
        assert 0 < groups[0] < 78
        assert shown(engine, 81) == sorted({*groups, *(group + 1 for group in groups), 80})


def test_a_picture_that_cannot_be_made_costs_no_frame(adapter: ModelAdapter):
    def picky(image: NDArray[np.uint8]) -> bytes:
        if image[0, 0, 0] == shade_of(1):
            raise RuntimeError("no such grey")
        return thumbnail_maker(64)(image)

    with StreamEngine(adapter, MemorySettings(policy="full", budget_tokens=1000, slots=1), thumbnail=picky) as engine:
        watch(engine, 3)
        assert engine.stream_stats("cam").frames_seen == 3
        assert shown(engine, 3) == [0, 2]
        with pytest.raises(FrameGone, match="none was made"):
            engine.picture("cam", 1)


def test_thumbnails_are_small_and_keep_the_shape():
    (noise,) = pictures(1, height=300, width=600)
    for side, size in ((64, (64, 32)), (1000, (600, 300))):
        with Image.open(io.BytesIO(thumbnail_maker(side)(noise))) as opened:
            assert (opened.format, opened.size) == ("JPEG", size)


def test_evidence_says_when_its_frames_were_captured(make: Callable[..., StreamEngine]):
    engine = make(policy="hermes", budget_tokens=100, slots=1)
    watch(engine, 30)
    evidence = engine.ask("cam", "what happened ?").result(LIMIT_S).evidence
    assert evidence
    assert [item.captured_ms for item in evidence] == [START_MS + 500 * item.frame for item in evidence]


def halves(left: int, right: int) -> NDArray[np.uint8]:
    picture = np.full((72, 72, 3), left, np.uint8)
    picture[:, 36:] = right
    return picture


def test_a_frame_that_shows_nothing_new_looks_like_the_one_that_it_repeats(adapter: ModelAdapter):
    night, day = halves(20, 200), halves(200, 20)
    video = VideoSettings(unchanged="skip", max_gap_s=3600)
    thumbnail = thumbnail_maker(64)
    with StreamEngine(adapter, MemorySettings(slots=2), thumbnail=thumbnail, video=video) as engine:
        film = [night, night, night, day, day]
        engine.ingest("cam", film, [START_MS + 500 * n for n in range(len(film))]).result(LIMIT_S)
        assert engine.stream_stats("cam").frames_unchanged == 3
        looks = [engine.picture("cam", frame) for frame in range(len(film))]
        # The newest has a picture of its own, so that nobody is shown an old one as the latest.
        assert [look.frame for look in looks] == [0, 0, 0, 3, 4]
        latest = engine.picture("cam")
        assert (latest.frame, latest.captured_ms) == (4, START_MS + 2000)
        assert looks[1].jpeg == looks[0].jpeg != looks[3].jpeg

        engine.restore("again", engine.snapshot("cam"))
        assert [engine.picture("again", frame).frame for frame in range(len(film))] == [0, 0, 0, 3, 3]
        assert engine.picture("again").jpeg == looks[3].jpeg


@pytest.mark.parametrize("family", ["single frames", "pairs"])
def test_frames_that_show_nothing_new_while_their_memory_is_on_disk_look_like_the_one_they_repeat(
    adapter: ModelAdapter, pairing: ModelAdapter, tmp_path: Path, family: str
):
    model = adapter if family == "single frames" else pairing
    memory = MemorySettings(budget_tokens=400, slots=1, host_streams=0, spill_directory=tmp_path / "parked")
    video = VideoSettings(unchanged="skip", max_gap_s=3600)
    night, day = halves(20, 200), halves(200, 20)

    def show(engine: StreamEngine, stream: str, first: int, *film: NDArray[np.uint8]) -> None:
        times = [START_MS + 500 * number for number in range(first, first + len(film))]
        engine.ingest(stream, list(film), times).result(LIMIT_S)

    with StreamEngine(model, memory, thumbnail=thumbnail_maker(64), video=video) as engine:
        show(engine, "cam", 0, night, day)
        show(engine, "other", 0, night, day)
        show(engine, "cam", 2, day, day, day)
        assert engine.stats().streams_parked == 1
        looks = [engine.picture("cam", frame) for frame in range(5)]
        assert [look.frame for look in looks] == [0, 1, 1, 1, 4]
        assert looks[2].jpeg == looks[1].jpeg != looks[0].jpeg
        assert engine.picture("cam").captured_ms == START_MS + 2000

        show(engine, "other", 2, day)
        show(engine, "cam", 5, day, night, night)  # of pairs, the newest two wait and say nothing of the memory
        assert [engine.picture("cam", frame).frame for frame in range(8)] == [0, 1, 1, 1, 1, 1, 6, 7]
