"""With policy ``full`` the engine computes what transformers' own model computes over the whole sequence."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.config import MemorySettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import as_processed, encode, pictures

QUESTION = "what is in view now ?"
FRAMES = 7


def whole_sequence(
    adapter: ModelAdapter, frames: list[NDArray[np.uint8]], question: str = QUESTION
) -> dict[str, Tensor]:
    """The model's own inputs for a video and a question, as its processor lays them out."""
    pixels = torch.stack([as_processed(adapter.preprocess(frame)) for frame in frames])[None]
    text = adapter.tokenizer.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    video = "<video>" * (len(frames) * adapter.max_tokens_per_block + 1)  # one more for the newline
    ids = adapter.tokenizer(text.replace("<video>", video), add_special_tokens=False, return_tensors="pt")
    return {"input_ids": ids["input_ids"], "pixel_values_videos": pixels}


@pytest.mark.parametrize("chunks", [[1] * FRAMES, [3, 1, 3], [FRAMES]], ids=["one by one", "in chunks", "at once"])
def test_question_logits_equal_the_models_own_forward(
    adapter: ModelAdapter, reference: LlavaOnevisionForConditionalGeneration, chunks: list[int]
) -> None:
    frames = pictures(FRAMES)
    with torch.no_grad():
        expected = reference(**whole_sequence(adapter, frames)).logits[0, -1]

    writer = MemoryWriter(adapter, MemorySettings(policy="full", budget_tokens=100, slots=3), text_tokens=64)
    writer.open("other")  # so that the stream under test is not in slot 0
    memory = writer.open("cam")
    blocks = encode(adapter, frames)
    for count in chunks:
        writer.write({"cam": memory}, {"cam": blocks[:count]})
        blocks = blocks[count:]
    answers = AnswerSlab(adapter.decoder, adapter.rotary, seats=2, capacity=200)
    actual = answers.prefill(answers.copy(writer.slab, memory.slot), adapter.question(QUESTION))

    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


def test_greedy_answer_equals_generate(
    adapter: ModelAdapter,
    reference: LlavaOnevisionForConditionalGeneration,
    make_engine: Callable[..., StreamEngine],
) -> None:
    frames = pictures(FRAMES)
    inputs = whole_sequence(adapter, frames)
    generated = reference.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]

    engine = make_engine(policy="full", budget_tokens=100, slots=2)
    engine.ingest("other", pictures(3, seed=9), [0, 1, 2])
    for index, frame in enumerate(frames):
        engine.ingest("cam", [frame], [index]).result(timeout=30)
    answer = engine.ask("cam", Question(QUESTION, max_tokens=12)).result(timeout_s=30)

    assert answer.text == adapter.tokenizer.decode(generated, skip_special_tokens=True)
    assert answer.completion_tokens == len(generated)


def test_answers_decoded_together_equal_answers_decoded_alone(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=45, slots=4)
    for number in range(4):
        engine.ingest(f"cam-{number}", pictures(5 + number, seed=number), list(range(5 + number))).result(timeout=30)
    questions = [(f"cam-{number}", Question(QUESTION, max_tokens=4 + 3 * number)) for number in range(4)]

    alone = [engine.ask(stream, question).result(timeout_s=30).text for stream, question in questions]
    waiting = [engine.ask(stream, question) for stream, question in questions]

    assert [stream.result(timeout_s=30).text for stream in waiting] == alone
    assert len(set(alone)) > 1
