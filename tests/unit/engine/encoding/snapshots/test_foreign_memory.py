"""Snapshots that somebody made up: whole by their checksum, and no memory."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from hermes_ray import models
from hermes_ray.config import MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import SnapshotError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot

FRAMES = 4


@pytest.fixture(scope="module")
def engine():
    adapter = models.load("hermes-tiny-random", device="cpu")
    with StreamEngine(adapter, MemorySettings(policy="sink_window", budget_tokens=64, slots=2)) as engine:
        images = list(np.random.default_rng(1).integers(0, 256, (FRAMES, 48, 64, 3), dtype=np.uint8))
        engine.ingest("cam", images, [1000 * n for n in range(FRAMES)]).result(60)
        yield engine


def forged(engine: StreamEngine, change: Callable[[Snapshot], Snapshot]) -> bytes:
    sound = snapshot_format.load(engine.snapshot("cam"), engine._writer.fingerprint)
    return snapshot_format.dump(change(sound), engine._writer.fingerprint)


def view(**changes: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Snapshot], Snapshot]:
    def change(found: Snapshot) -> Snapshot:
        new = {name: make(getattr(found.view, name)) for name, make in changes.items()}
        return dataclasses.replace(found, view=dataclasses.replace(found.view, **new))

    return change


def state(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    def change(found: Snapshot) -> Snapshot:
        return dataclasses.replace(found, extra={**found.extra, "stream": {**found.extra["stream"], **changes}})

    return change


FORGERIES = {
    "keys of another shape": view(keys=lambda keys: keys[:, :, :, :-1]),
    "a layer is missing": view(values=lambda values: values[1:]),
    "keys that are numbers of another kind": view(keys=lambda keys: keys.to(torch.float64)),
    "keys that are not finite": view(keys=lambda keys: torch.full_like(keys, float("nan"))),
    "fewer positions than tokens": view(positions=lambda positions: positions[:, 1:]),
    "positions before the beginning": view(positions=lambda positions: -1 - positions),
    "positions that the model does not have": view(positions=lambda positions: positions + 2**20),
    "positions of text": view(positions=lambda positions: positions.to(torch.float32)),
    "frames that have not been": view(frames=lambda frames: frames + 1000),
    "tokens that stand for none": view(counts=torch.zeros_like),
    "no tokens at all": view(
        **{name: (lambda t: t[:, :, :0]) for name in ("keys", "values")},
        **{name: (lambda t: t[:, :0]) for name in ("positions", "frames", "patches", "counts")},
    ),
    "a time that is a text": state(as_of_ms="now"),
    "a time that is no number": state(as_of_ms=None),
    "a negative number of compactions": state(compactions=-1),
    "held back frames that are not there": state(held_back_ms=[1, 2]),
    "held back frames that are no list": state(held_back_ms=7),
    "no state": lambda found: dataclasses.replace(found, extra={}),
    "another policy": lambda found: dataclasses.replace(found, policy="hermes"),
    "a next frame that is a text": lambda found: dataclasses.replace(found, next_frame="4"),
    "capture times without order": lambda found: dataclasses.replace(
        found, attached={**found.attached, "captured.frames": found.attached["captured.frames"].flip(0)}
    ),
    "capture times that are not whole": lambda found: dataclasses.replace(
        found, attached={**found.attached, "captured.ms": found.attached["captured.ms"].to(torch.float32)}
    ),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_cannot_be_a_memory_is_refused_and_does_no_harm(engine: StreamEngine, change):
    with pytest.raises(SnapshotError):
        engine.check_memory(forged(engine, change))
    assert engine.streams() == ["cam"]
    assert engine.ask("cam", Question("What is there?", max_tokens=1)).result(60).finish_reason


def test_a_sound_memory_passes(engine: StreamEngine):
    data = forged(engine, lambda found: found)
    engine.check_memory(data)
    engine.restore("copy", data)
    assert engine.stream_stats("copy").frames_seen == FRAMES
    engine.drop("copy")


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 100, -1])
def test_bytes_that_are_cut_off_are_refused(engine: StreamEngine, cut: int):
    with pytest.raises(SnapshotError):
        engine.check_memory(engine.snapshot("cam")[:cut])
