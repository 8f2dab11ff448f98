"""Ingest finds the frames that a memory would not encode, and sends them without their pictures."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from hermes_ray import models
from hermes_ray.cluster.ingest.intake.comparing import Comparing
from hermes_ray.cluster.ingest.intake.intake import RecordIntake
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame
from hermes_ray.cluster.memory_worker.frames.frame_applier import FrameApplier
from hermes_ray.cluster.wire.protocol import FramePosition, Resumption
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import PictureMissing
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.models import ModelAdapter, fingerprint
from hermes_ray.transport.message import FrameMessage
from hermes_ray.transport.record import Record
from hermes_ray.video.world import Renderer, Traffic, World

START_MS = 1_700_000_000_000
STEP_MS = 500
VIDEO = VideoSettings(target_fps=4, unchanged="skip", max_gap_s=30)
MEMORY = MemorySettings(budget_tokens=90, slots=2, thumbnail_px=80)
SHOWN = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 3, 3, 1)
NEWS = [number for number, scene in enumerate(SHOWN) if number == 0 or scene != SHOWN[number - 1]]
Never = Callable[[str, FramePosition], bool]


@pytest.fixture(scope="module")
def film() -> list[Record]:
    """A street on which sometimes something else stands, as a camera with noise publishes it."""
    still = Renderer(World(5, Traffic(quiet_share=1.0)), 320, 240).render(1.0).astype(float)
    records = []
    for number, scene in enumerate(SHOWN):
        picture = still + np.random.default_rng(number).normal(0, 4, still.shape)
        if scene:
            picture[60:110, 60 * scene : 60 * scene + 50] = (200, 30 * scene, 30)
        data = io.BytesIO()
        Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=80)
        message = FrameMessage("cam", data.getvalue(), "image/jpeg", START_MS + STEP_MS * number)
        headers = tuple(message.to_headers())
        records.append(Record("frames", 3, number, message.ts_ms, b"cam", message.payload, headers))
    return records


def intake_of(streams: IngestStreams | None = None, is_refused: Never = lambda *_: False, **video: Any) -> RecordIntake:
    comparing = Comparing(VIDEO.model_copy(update=video), MEMORY, is_refused)
    return RecordIntake(VIDEO, streams or IngestStreams("topic"), comparing=comparing)


def frames_of(intake: RecordIntake, records: list[Record]) -> list[QueuedFrame]:
    return [frame for record in records for frame in intake.open(record).frames]


@pytest.fixture(scope="module")
def adapter() -> ModelAdapter:
    return models.load("hermes-tiny-random", device="cpu")


@pytest.fixture
def start() -> Iterator[Callable[..., StreamEngine]]:
    engines: list[StreamEngine] = []

    def make(adapter: Any) -> StreamEngine:
        engines.append(StreamEngine(adapter, MEMORY, video=VIDEO, thumbnail=lambda image: b"made by the engine"))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def show(engine: StreamEngine, frames: list[QueuedFrame]) -> Any:
    images = [frame.image for frame in frames if frame.image is not None]
    return engine.ingest("cam", images, [frame.ts_ms for frame in frames]).result(60)


def test_only_what_is_new_travels_with_its_picture(film: list[Record]):
    frames = frames_of(intake_of(), film)
    assert [number for number, frame in enumerate(frames) if frame.has_pixels] == NEWS
    assert [frame.ts_ms for frame in frames] == [START_MS + STEP_MS * number for number in range(len(film))]
    assert [frame.mark.position.offset for frame in frames] == list(range(len(film)))
    assert all(frame.image.shape == (240, 320, 3) for frame in frames if isinstance(frame.image, np.ndarray))


def test_where_every_frame_is_encoded_all_pictures_travel(film: list[Record]):
    frames = frames_of(intake_of(unchanged="keep"), film)
    assert all(isinstance(frame.image, np.ndarray) for frame in frames)


def test_a_memory_is_the_same_with_and_without_the_pictures_that_were_spared(
    film: list[Record], adapter: ModelAdapter, start: Callable[..., StreamEngine]
):
    spared, whole = start(adapter), start(adapter)
    pictures = frames_of(intake_of(unchanged="keep"), film)
    for frame, picture in zip(frames_of(intake_of(), film), pictures, strict=True):
        show(spared, [frame])
        show(whole, [replace(frame, image=picture.image)])
    stats = spared.stream_stats("cam")
    assert (stats.frames_seen, stats.frames_unchanged) == (len(SHOWN), len(SHOWN) - len(NEWS))
    one, other = (snapshot_format.load(e.snapshot("cam"), fingerprint(adapter.decoder)) for e in (spared, whole))
    for name in ("keys", "values", "frames", "patches", "positions", "counts"):
        assert torch.equal(getattr(one.view, name), getattr(other.view, name)), name


@pytest.mark.parametrize("cut", [1, 3, 7, 12, 18])
def test_a_stream_that_resumes_goes_on_with_what_its_owner_compares_with(
    film: list[Record], adapter: ModelAdapter, start: Callable[..., StreamEngine], cut: int
):
    engine = start(adapter)
    before = frames_of(intake_of(), film[:cut])
    show(engine, before)
    at, streams = before[-1].mark, IngestStreams("topic")
    reference = engine.reference("cam")
    positions = {at.position.partition: at.position}
    streams["cam"].resume(Resumption("topic", positions, at.sampler, False, reference=reference), replay_s=0)
    after = frames_of(intake_of(streams), film)
    assert [frame.position.offset for frame in after] == list(range(cut, len(film)))
    assert [frame.position.offset for frame in after if frame.has_pixels] == [n for n in NEWS if n >= cut]
    assert show(engine, after).frames_unchanged == len(SHOWN) - len(NEWS)


def test_an_owner_that_misses_a_picture_takes_nothing_and_gets_all_pictures_once(
    film: list[Record], adapter: ModelAdapter, start: Callable[..., StreamEngine]
):
    engine = start(adapter)
    intake = intake_of()
    frames = frames_of(intake, film[:5])
    with pytest.raises(PictureMissing):
        show(engine, frames[1:])  # its memory was emptied, say, and the first frame is not in it
    assert engine.reference("cam") is None
    comparing = Comparing(VIDEO, MEMORY, lambda *_: False)
    comparing.need_pictures("cam", frames[-1].position)
    again = frames_of(RecordIntake(VIDEO, IngestStreams("topic"), comparing=comparing), film)
    assert [frame.position.offset for frame in again if frame.has_pixels] == [0, 1, 2, 3, 4, *NEWS[1:]]
    assert show(engine, again[1:]).frames_unchanged == len(SHOWN) - 1 - len(NEWS), "its first frame is news to it"


async def test_a_frame_that_is_refused_is_nothing_to_compare_with(
    film: list[Record], adapter: ModelAdapter, start: Callable[..., StreamEngine]
):
    fails = {5}

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(adapter, name)

        def preprocess(self, image: NDArray[np.uint8]) -> Any:
            if fails and image[80, 80, 0] > 150:  # the thing that stands there in frames 5 to 7
                raise ZeroDivisionError("injected")
            return adapter.preprocess(image)

    engine = start(Failing())
    frames = frames_of(intake_of(is_refused=lambda stream, at: at.offset in fails), film[:8])
    assert [frame.position.offset for frame in frames if frame.has_pixels] == [0, 5, 6], "6 is not compared with 5"
    sent = [frame for frame in frames if frame.position.offset not in fails]
    fails.clear()
    images = [frame.image for frame in sent if frame.image is not None]
    applied = await FrameApplier().apply(engine, "cam", images, [frame.ts_ms for frame in sent])
    assert applied.stats is not None and not applied.refused
    assert (applied.stats.frames_seen, applied.stats.frames_unchanged) == (7, 5)


def test_whoever_looks_at_the_newest_picture_sees_one_of_the_last_five_seconds(
    film: list[Record], adapter: ModelAdapter, start: Callable[..., StreamEngine]
):
    engine = start(adapter)
    for number, frame in enumerate(frames_of(intake_of(), film)):
        show(engine, [frame])
        newest = engine.picture("cam")
        assert 0 <= frame.ts_ms - newest.captured_ms < 5000
        if newest.jpeg != b"made by the engine":
            assert Image.open(io.BytesIO(newest.jpeg)).size == (80, 60)
            assert newest.frame == round((newest.captured_ms - START_MS) / STEP_MS) <= number


def test_frames_without_their_pictures_take_an_eighth_of_the_room(film: list[Record]):
    frames = frames_of(intake_of(), film[:5])
    outbox = Outbox(max_frames=10, max_batch=16)
    outbox.add("cam", frames)
    assert (outbox.frames, outbox.free) == (5, 10 - 1 - 1)
    outbox.begin("cam", 2)
    outbox.finish("cam")
    assert (outbox.frames, outbox.free) == (3, 10 - 1)
    outbox.drop("cam")
    assert (outbox.frames, outbox.free) == (0, 10)
