"""The same frames give the same memory, however long steps may be and whoever asks in between."""

from typing import Any

import pytest
import torch

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.engine.conftest import pictures

STREAMS = ("a", "b", "c")
FRAMES = 40


def watched(adapter: ModelAdapter, max_step_ms: Any, *, questions: bool) -> tuple[dict[str, Any], int]:
    """The memories of some streams that hand over everything at once, and the steps that it took."""
    memory = MemorySettings(policy="hermes", budget_tokens=60, slots=len(STREAMS))
    with StreamEngine(adapter, memory, EngineSettings(max_step_ms=max_step_ms)) as engine:
        shown = [
            engine.ingest(stream, pictures(FRAMES, seed=ord(stream))[part], list(range(FRAMES))[part])
            for part in (slice(0, 1), slice(1, FRAMES))
            for stream in STREAMS
        ]
        if questions:
            for future in shown[: len(STREAMS)]:
                future.result(60)
            while not all(future.done() for future in shown):
                asked = [engine.ask(stream, Question("what happened ?", max_tokens=2)) for stream in STREAMS]
                for stream in asked:
                    stream.result(60)
        assert {future.result(60).frames_seen for future in shown[len(STREAMS) :]} == {FRAMES}
        model = fingerprint(adapter.decoder)
        memories = {stream: snapshot_format.load(engine.snapshot(stream), model) for stream in STREAMS}
        return memories, engine.monitor()[0].frames_per_step.cumulative[-1]


@pytest.fixture(scope="module")
def unbounded(adapter: ModelAdapter) -> tuple[dict[str, Any], int]:
    return watched(adapter, 1e9, questions=False)


@pytest.fixture(scope="module")
def by_one(adapter: ModelAdapter) -> dict[bool, tuple[dict[str, Any], int]]:
    """In steps of one frame, without questions and with."""
    return {questions: watched(adapter, 1e-3, questions=questions) for questions in (False, True)}


@pytest.mark.parametrize(("max_step_ms", "questions"), [(1e-3, False), (1e-3, True), ("auto", True), (1e9, True)])
def test_steps_and_questions_leave_no_trace_in_a_memory(adapter, unbounded, by_one, max_step_ms, questions):
    memories, steps = by_one[questions] if max_step_ms == 1e-3 else watched(adapter, max_step_ms, questions=questions)
    if max_step_ms == 1e-3:
        assert steps == FRAMES * len(STREAMS)  # a frame each
        assert unbounded[1] < steps / 4
    for stream, expected in unbounded[0].items():
        assert memories[stream].extra == expected.extra
        for name in ("frames", "patches", "positions", "counts"):
            assert torch.equal(getattr(memories[stream].view, name), getattr(expected.view, name)), (stream, name)
        for name in ("keys", "values"):  # what else is in a batch changes the last bits
            actual = getattr(memories[stream].view, name)
            torch.testing.assert_close(actual, getattr(expected.view, name), atol=1e-4, rtol=1e-4)


def test_questions_between_the_same_steps_change_not_a_bit(by_one):
    (silent, _), (asked, _) = by_one[False], by_one[True]
    for stream in STREAMS:
        for name in ("frames", "patches", "positions", "counts", "keys", "values"):
            assert torch.equal(getattr(asked[stream].view, name), getattr(silent[stream].view, name)), (stream, name)
