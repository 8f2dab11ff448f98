"""With policy ``full`` the Qwen families compute what transformers' own model computes over the whole sequence."""

import pytest
import torch
from transformers import PreTrainedModel

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.capturing import Capturing
from hermes_ray.models import ModelAdapter
from tests.unit.engine.plain_kernel import WITHOUT_A_GPU
from tests.unit.models.watching import Watcher
from tests.unit.models.whole_video import QUESTION, Clip, model_inputs, random_clip, trained_positions

ANSWER_TOKENS = 10
WIDE = (16, 96)
"""2 x 12 tokens: wider than the clip is long in time, where transformers 5 places text as the model was trained."""


def watched(adapter: ModelAdapter, clip: Clip, chunks: list[int]) -> Watcher:
    watcher = Watcher(adapter, policy="full", budget_tokens=800)
    watcher.watch({"another": random_clip(1, 24, 24, seed=5)}, [1])  # so that the stream under test is not in slot 0
    watcher.watch({"cam": clip}, chunks)
    return watcher


@pytest.mark.parametrize(
    "chunks", [[1] * 8, [3, 1, 4], [8], [1] * 7, [3, 4], [7], [1]], ids=lambda sizes: "+".join(map(str, sizes))
)
def test_logits_and_greedy_answer_equal_the_models_own(
    adapter: ModelAdapter, reference: PreTrainedModel, chunks: list[int]
) -> None:
    clip = random_clip(sum(chunks), *WIDE)
    inputs = model_inputs(adapter, clip)
    with torch.no_grad():
        expected = reference(**inputs).logits[0, -1]
    generated = reference.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)[0]

    logits, tokens = watched(adapter, clip, chunks).ask("cam", ANSWER_TOKENS)

    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    assert tokens == generated[inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("frames", [12, 13])
def test_text_follows_the_time_of_a_long_video(
    adapters: dict[str, ModelAdapter], references: dict[str, PreTrainedModel], frames: int
) -> None:
    adapter = adapters["qwen2_5_vl"]
    clip = random_clip(frames, 16, 32, interval_ms=1000)
    inputs = model_inputs(adapter, clip)
    positions = trained_positions(inputs)
    assert positions[0].max() > positions[1, :, :-20].max() + 8  # time, not space, decides where the text begins
    with torch.no_grad():
        expected = references["qwen2_5_vl"](**inputs, position_ids=positions).logits[0, -1]

    logits, _ = watched(adapter, clip, [frames]).ask("cam", 1)

    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("capturing", [None, WITHOUT_A_GPU], ids=["eagerly", "in fixed shapes"])
@pytest.mark.parametrize("frames", [6, 5], ids=["pairs", "a frame without its partner"])
def test_engine_answers_as_the_model_generates(
    adapter: ModelAdapter, reference: PreTrainedModel, frames: int, capturing: Capturing | None
) -> None:
    clip = random_clip(frames, *WIDE, seed=3)
    inputs = model_inputs(adapter, clip)
    generated = reference.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False)[0]
    expected = generated[inputs["input_ids"].shape[1] :]

    memory = MemorySettings(policy="full", budget_tokens=400, slots=2)
    settings = EngineSettings(max_question_tokens=64, max_answer_tokens=16)
    with StreamEngine(adapter, memory, settings, capturing=capturing) as engine:
        for frame, ts_ms in zip(clip.frames, clip.ts_ms, strict=True):
            stats = engine.ingest("cam", [frame], [ts_ms]).result(timeout=30)
        answer = engine.ask("cam", Question(QUESTION, max_tokens=ANSWER_TOKENS)).result(timeout_s=30)

    assert stats.frames_seen == answer.frames_seen == frames
    assert answer.text == adapter.tokenizer.decode(expected, skip_special_tokens=True)
    assert answer.completion_tokens == len(expected)
