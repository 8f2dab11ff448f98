"""On a GPU every family's memories and answers in float32 are those of a CPU, with all tokens and with the new ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hermes_ray import models
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.contracts import Answer
from hermes_ray.memory.snapshot import Snapshot, load
from hermes_ray.models import tiny
from tests.unit.models import families

pytestmark = pytest.mark.gpu

STREAMS = ("cam", "other", "third")
QUESTION = Question("what is in view now ?", options=("red", "car", "dog"))


@pytest.fixture(scope="module", params=["llava_onevision", *families.BUILDERS])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp(request.param)
    return (
        tiny.save_random(place, seed=3) if request.param == "llava_onevision" else families.save(request.param, place)
    )


@pytest.fixture(autouse=True)
def _convolutions_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """By torch's default those of float32 are computed in TF32, which has 10 bits."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def film(frames: int, seed: int) -> list[NDArray[np.uint8]]:
    """Random pictures of 48 x 72 pixels, each the one before but for one of six squares."""
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 256, (48, 72, 3), dtype=np.uint8)]
    for _ in range(frames - 1):
        picture = pictures[-1].copy()
        top, left = 24 * rng.integers(2), 24 * rng.integers(3)
        picture[top : top + 24, left : left + 24] = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        pictures.append(picture)
    return pictures


def watched_and_asked(directory: Path, device: str, patches: str) -> tuple[list[Snapshot], list[Answer], int]:
    memory = MemorySettings(budget_tokens=160, slots=3, unchanged_patches=patches)
    limits = EngineSettings(max_frames_per_step=8, max_questions=4, max_answer_tokens=16)
    with StreamEngine(models.load(directory, device=device, dtype="float32"), memory, limits) as engine:
        for seed, stream in enumerate(STREAMS):
            pictures = film(80 - seed, seed)
            for first in range(0, len(pictures), 5):
                some = pictures[first : first + 5]
                engine.ingest(stream, some, [(first + index) * 500 for index in range(len(some))]).result()
        left_out = sum(engine.stream_stats(stream).tokens_left_out for stream in STREAMS)
        assert engine.stream_stats("cam").compactions > 0
        answers = [answer.result() for answer in [engine.ask(stream, QUESTION) for stream in STREAMS]]
        return [load(engine.snapshot(stream), engine._writer.fingerprint) for stream in STREAMS], answers, left_out


@pytest.mark.parametrize("patches", ["keep", "drop"])
def test_memories_and_answers_are_those_of_a_cpu(directory: Path, patches: str) -> None:
    expected, actual = (watched_and_asked(directory, device, patches) for device in ("cpu", "cuda"))
    assert actual[2] == expected[2]
    assert (actual[2] > 0) == (patches == "drop")
    for here, there in zip(actual[0], expected[0], strict=True):
        assert here.view.frames.equal(there.view.frames)
        assert here.view.patches.equal(there.view.patches)
        torch.testing.assert_close(here.view.values, there.view.values, rtol=0, atol=1e-3)
    for here, there in zip(actual[1], expected[1], strict=True):
        assert here.text == there.text
        assert here.option_probabilities == pytest.approx(there.option_probabilities, abs=1e-3)
