"""Passes of fixed shapes compute what eager ones do, with all that varies in buffers.

Here their work is done again on these instead of captured.

What only a GPU can show, that a captured graph does the same, is in ``test_graphs_on_a_gpu.py``.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.capturing import Capturing
from hermes_ray.engine.contracts import Answer
from hermes_ray.errors import GraphMismatch
from hermes_ray.memory.snapshot import load
from hermes_ray.models import ModelAdapter
from hermes_ray.observability.stats import EngineCounts
from tests.unit.engine.conftest import pictures
from tests.unit.engine.plain_kernel import PLAIN, WITHOUT_A_GPU, again

STREAMS = ("cam", "other", "third")
ENGINE = EngineSettings(max_frames_per_step=8, max_questions=8, max_question_tokens=64, max_answer_tokens=16)


def engine_of(adapter: ModelAdapter, *, graphs: bool, budget_tokens: int = 100, **settings: Any) -> StreamEngine:
    memory = MemorySettings(budget_tokens=budget_tokens, slots=3, **settings)
    return StreamEngine(adapter, memory, ENGINE, capturing=WITHOUT_A_GPU if graphs else None)


def watch(engine: StreamEngine, *, still: bool = False) -> None:
    """Streams that begin one after the other, in steps of different sizes, compacted more than once.

    If they are ``still``, all frames but for one place are the first one.
    """
    for begin, stream in enumerate(STREAMS):
        frames = pictures(30, seed=begin)
        for frame in frames if still else ():
            frame[:, 24:], frame[24:] = frames[0][:, 24:], frames[0][24:]
        for first, count in ((0, 1), (1, 2), (3, 9), (12, 18)):
            engine.ingest(
                stream, frames[first : first + count], range(first * 500, (first + count) * 500, 500)
            ).result()
    assert engine.stream_stats("cam").compactions > 1


def ask(engine: StreamEngine) -> list[Answer]:
    """More questions than seats, of different lengths, with options and with temperature."""
    asked = [
        Question("what do you see ?", max_tokens=5),
        Question("what happened so far ? and what came first , before the red car ?", max_tokens=16),
        Question("who ?", max_tokens=1),
        Question("is it day ?", options=("yes", "no", "nothing")),
        Question("what came last ?", max_tokens=9, temperature=1.0, seed=3),
        *[Question("what is on the left ?", max_tokens=3 + index) for index in range(4)],
    ]
    return [
        answer.result() for answer in [engine.ask(STREAMS[index % 3], question) for index, question in enumerate(asked)]
    ]


@pytest.mark.parametrize(
    "settings",
    [{"keys": "unrotated"}, {"keys": "rotated"}, {"unchanged_patches": "drop", "budget_tokens": 30}],
    ids=["unrotated", "rotated", "thinned"],
)
def test_memories_and_answers_are_those_of_eager_passes(adapter: ModelAdapter, settings: dict[str, Any]) -> None:
    with engine_of(adapter, graphs=False, **settings) as eager, engine_of(adapter, graphs=True, **settings) as graphs:
        for engine in (eager, graphs):
            watch(engine, still="unchanged_patches" in settings)
            assert (engine.stream_stats("cam").tokens_left_out > 0) == ("unchanged_patches" in settings)
        for stream in STREAMS:
            expected, actual = (
                load(engine.snapshot(stream), engine._writer.fingerprint).view for engine in (eager, graphs)
            )
            assert actual.frames.equal(expected.frames)
            assert actual.positions.equal(expected.positions)
            torch.testing.assert_close(actual.keys, expected.keys, rtol=0, atol=1e-4)
            torch.testing.assert_close(actual.values, expected.values, rtol=0, atol=1e-4)
        for expected, actual in zip(ask(eager), ask(graphs), strict=True):
            assert actual.text == expected.text
            assert actual.option_probabilities == pytest.approx(expected.option_probabilities, abs=1e-5)
            assert [seen.frame for seen in actual.evidence] == [seen.frame for seen in expected.evidence]
            assert [seen.weight for seen in actual.evidence] == pytest.approx(
                [seen.weight for seen in expected.evidence]
            )


def test_a_pass_that_computes_something_else_ends_the_start(adapter: ModelAdapter) -> None:
    def wrong(*arguments: Any, causal: bool) -> tuple[Tensor, Tensor]:
        attended, sums = PLAIN.part(*arguments, causal=causal)
        return -attended, sums

    capturing = Capturing(again, replace(PLAIN, part=wrong))
    with pytest.raises(GraphMismatch, match=r"tokens of .* differs from the eager pass by .* engine.cuda_graphs"):
        StreamEngine(adapter, MemorySettings(budget_tokens=100, slots=3), ENGINE, capturing=capturing)


def counts(engine: StreamEngine) -> EngineCounts:
    engine.stats()  # answered between two steps, so the last one is in the counts
    return engine.monitor()[0]


def test_what_no_pass_takes_runs_eagerly_and_is_counted(adapter: ModelAdapter) -> None:
    with engine_of(adapter, graphs=True) as engine:
        engine.ingest("cam", pictures(1), [0]).result()
        engine.ask("cam", "what do you see ?").result()
        asked = counts(engine)
        assert asked.graph_passes > 2
        assert asked.eager_passes == 0
        engine.ask("cam", Question("is it day ?", options=("yes", "no"))).result()
        assert counts(engine).eager_passes == 1
