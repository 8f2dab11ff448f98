"""Snapshots that somebody made up: what they say of a stream's frames, and what is attached."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from hermes_ray import models
from hermes_ray.config import MemorySettings, VideoSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import ModelAdapter
from hermes_ray.models.parts.pixels import normalise
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.patience import LIMIT_S
from tests.unit.engine.conftest import pictures
from tests.unit.models import families

SCENES = (0, 0, 1, 2, 2, 2, 3, 4, 4)
"""What the camera shows. Five scenes, two to a block: the last one waits for its group as frame 7 of 9."""
Forge = Callable[[Snapshot], Snapshot]


def engine_of(adapter: ModelAdapter) -> StreamEngine:
    memory = MemorySettings(policy="sink_window", budget_tokens=200, slots=2, unchanged_patches="drop")
    video = VideoSettings(unchanged="skip", max_gap_s=3600)
    return StreamEngine(adapter, memory, thumbnail=thumbnail_maker(64), video=video)


def show(engine: StreamEngine, numbers: range, stream: str = "cam") -> Any:
    scenes = pictures(5, seed=2)
    images = [scenes[SCENES[number % len(SCENES)]] for number in numbers]
    return engine.ingest(stream, images, [1000 * number for number in numbers]).result(LIMIT_S)


@pytest.fixture(scope="module")
def engine(pairing: ModelAdapter) -> Iterator[StreamEngine]:
    with engine_of(pairing) as engine:
        stats = show(engine, range(len(SCENES)))
        assert (stats.frames_seen, stats.frames_unchanged) == (9, 4)
        yield engine


@pytest.fixture(scope="module")
def sound(engine: StreamEngine) -> Snapshot:
    return snapshot_format.load(engine.snapshot("cam"), engine._writer.fingerprint)


def forged(engine: StreamEngine, sound: Snapshot, change: Forge) -> bytes:
    return snapshot_format.dump(change(sound), engine._writer.fingerprint)


def state(**changes: Any) -> Forge:
    return lambda found: dataclasses.replace(
        found, extra={**found.extra, "stream": {**found.extra["stream"], **changes}}
    )


def attached(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Forge:
    return lambda found: dataclasses.replace(
        found, attached={**found.attached, name: make(found.attached[name]).contiguous()}
    )


def without(name: str) -> Forge:
    return lambda found: dataclasses.replace(
        found, attached={key: tensor for key, tensor in found.attached.items() if key != name}
    )


def index(row: int, column: int, value: int) -> Forge:
    def make(numbers: torch.Tensor) -> torch.Tensor:
        changed = numbers.clone()
        changed[row, column] = value
        return changed

    return attached("thumbnails.index", make)


FORGERIES = {
    "frame numbers that are used already": state(held_back_numbers=[6]),
    "frame numbers that are still to come": state(held_back_numbers=[9]),
    "frame numbers that are none": state(held_back_numbers=[None]),
    "frame numbers of more frames": state(held_back_numbers=[7, 8]),
    "frame numbers that are no list": state(held_back_numbers="7"),
    "more frames that wait than a group needs": state(held_back_numbers=[7, 8], held_back_ms=[7000, 8000]),
    "a waiting frame that is a line": attached("0", lambda pixels: pixels[0]),
    "a waiting frame of four colours": attached("0", lambda pixels: pixels[[0, 1, 2, 2]]),
    "a waiting frame of another kind": attached("0", lambda pixels: pixels.to(torch.int32)),
    "a waiting frame that is too narrow": attached("0", lambda pixels: pixels[:, :1, :1].expand(-1, -1, 300)),
    "a waiting frame of parts of tokens": attached("0", lambda pixels: pixels.float()[:, :-1]),
    "a waiting frame that is not finite": attached("0", lambda pixels: pixels.float() / 0),
    "no frame that waits": without("0"),
    "fewer frames seen than there are": state(frames_seen=7),
    "frames seen that are no number": state(frames_seen=None),
    "more frames than can be numbered": state(frames_seen=2**31),
    "more unchanged frames than frames": state(unchanged=10),
    "unchanged frames below none": state(unchanged=-1),
    "capture times of no frames": without("captured.frames"),
    "frames without capture times": without("captured.ms"),
    "capture times of frames to come": attached("captured.frames", lambda frames: frames + 9),
    "capture times before the epoch": attached("captured.ms", lambda ms: ms - 10**9),
    "pictures without an index": without("thumbnails.index"),
    "an index without pictures": without("thumbnails.jpeg"),
    "an index of other columns": attached("thumbnails.index", lambda numbers: numbers[:, :4]),
    "an index that is a number": attached("thumbnails.index", lambda numbers: numbers[0, 0]),
    "an index of fractions": attached("thumbnails.index", lambda numbers: numbers.double()),
    "a picture of a frame to come": index(-1, 0, 9),
    "a picture of a frame before the first": index(0, 0, -1),
    "a picture twice": attached("thumbnails.index", lambda numbers: numbers[[0, 0, *range(2, len(numbers))]]),
    "a group that begins behind its frame": index(0, 1, 8),
    "a frame that ends before it begins": index(-1, 2, 0),
    "a frame that ends before the first": index(0, 2, -7),
    "a frame that reaches into the next": index(0, 2, 8),
    "a picture captured before the epoch": index(0, 3, -5),
    "a picture of less than no bytes": index(0, 4, -2),
    "a picture of too many bytes": index(0, 4, 2**40),
    "bytes of no picture": attached("thumbnails.jpeg", lambda data: torch.cat((data, data[:7]))),
    "pictures that are no JPEG": attached("thumbnails.jpeg", torch.zeros_like),
    "a page of HTML as a picture": attached(
        "thumbnails.jpeg", lambda data: torch.cat((torch.tensor(list(b"<html>"), dtype=torch.uint8), data[6:]))
    ),
    "a picture that is cut off": attached("thumbnails.jpeg", lambda data: torch.cat((data[:-2], data[:2]))),
    "pictures that are no bytes": attached("thumbnails.jpeg", lambda data: data.int()),
    "a reference without colours": attached("reference", lambda cells: cells[..., 0]),
    "a reference that is brighter than white": attached("reference", lambda cells: cells * 0 + 20_000),
    "a reference of another kind": attached("reference", lambda cells: cells.bfloat16()),
    "a reference of no time": state(reference_ms=None),
    "a reference of a time that is a text": state(reference_ms="now"),
    "a scene without colours": attached("scene", lambda cells: cells[..., 0]),
    "a scene that is brighter than white": attached("scene", lambda cells: cells * 0 + 20_000),
    "a scene of no size and time": state(scene=None),
    "a scene of a size that is a text": state(scene=["large", 48, 0]),
    "a scene of too few numbers": state(scene=[32, 48]),
    "tokens left out that are none": state(tokens_left_out=-1),
    "positions that go nowhere": state(reach="far"),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_cannot_be_a_streams_state_is_refused_and_does_no_harm(
    engine: StreamEngine, sound: Snapshot, change: Forge
):
    with pytest.raises(SnapshotError):
        engine.check_memory(forged(engine, sound, change))
    assert engine.streams() == ["cam"]


def test_a_sound_state_passes_and_goes_on_as_the_stream_does(engine: StreamEngine, pairing: ModelAdapter):
    data = engine.snapshot("cam")
    with engine_of(pairing) as other:
        other.check_memory(data)
        other.restore("cam", data)
        assert other.stream_stats("cam") == engine.stream_stats("cam")
        assert [other.picture("cam", frame).frame for frame in range(9)] == [0, 0, 2, 3, 3, 3, 6, 7, 7]
        stats = show(other, range(9, 15))
        assert (stats.frames_seen, stats.frames_unchanged) == (15, 4 + 3)
        assert other.memory_map("cam").frames == (0, 3, 7, 11)
        assert other.picture("cam").frame == 14
        again = other.snapshot("cam")
        other.check_memory(again)


def test_a_state_of_a_release_without_pictures_and_unchanged_frames_passes(
    engine: StreamEngine, sound: Snapshot, pairing: ModelAdapter
):
    def older(found: Snapshot) -> Snapshot:
        known = ("as_of_ms", "compactions", "started_ms", "newest_block_ms", "held_back_ms")
        kept = {key: value for key, value in found.extra["stream"].items() if key in known}
        attached = {"0": found.attached["0"]}
        return dataclasses.replace(found, extra={**found.extra, "stream": kept}, attached=attached)

    data = forged(engine, sound, older)
    with engine_of(pairing) as other:
        other.check_memory(data)
        other.restore("cam", data)
        assert other.stream_stats("cam").frames_seen == 8
        assert show(other, range(9, 12)).frames_seen == 11


def test_a_frame_that_waits_is_resized_where_frames_are_smaller_now(tmp_path_factory: pytest.TempPathFactory):
    directory = families.save("qwen2_5_vl", tmp_path_factory.mktemp("model"))
    large, small = (models.load(directory, max_pixels_per_frame=pixels) for pixels in (16_384, 1024))
    images = pictures(3, seed=4, height=120, width=120)
    assert not small.may_wait(tuple(large.preprocess(images[0]).shape)), "its tokens might not fit"
    memory = MemorySettings(policy="recent_only", budget_tokens=600, slots=1)
    with StreamEngine(large, memory) as before, StreamEngine(small, memory) as after:
        before.ingest("cam", images, [0, 1000, 2000]).result(LIMIT_S)
        data = before.snapshot("cam")
        after.check_memory(data)
        after.restore("cam", data)
        assert after.ask("cam", "what happened ?").result(LIMIT_S).frames_seen == 3
        assert after.ingest("cam", images, [3000, 4000, 5000]).result(LIMIT_S).frames_seen == 6
        assert after.memory_map("cam").frames == (0, 2, 4)


def test_a_frame_that_an_earlier_release_normalised_joins_one_of_today(
    engine: StreamEngine, sound: Snapshot, pairing: ModelAdapter
):
    statistics = pairing._normalise.statistics(torch.device("cpu"))
    normalised = attached("0", lambda pixels: normalise(pixels, statistics))
    views = []
    for data in (engine.snapshot("cam"), forged(engine, sound, normalised)):
        with engine_of(pairing) as other:
            other.check_memory(data)
            other.restore("cam", data)
            show(other, range(9, 11))
            views.append(snapshot_format.load(other.snapshot("cam"), other._writer.fingerprint).view)
    np.testing.assert_allclose(views[0].keys.numpy(), views[1].keys.numpy(), atol=1e-4)
