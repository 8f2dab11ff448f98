"""What an answer rests on: evidence, choices among options, and the moment it speaks of."""

import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest
import torch
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import InvalidQuestion, QuestionTimeout, UnknownStream
from hermes_ray.models import ModelAdapter
from tests.unit.engine.conftest import pictures
from tests.unit.engine.test_equals_transformers import QUESTION, whole_sequence

FRAMES = 6
OPTIONS = ("red", "a red truck", "nothing")


def moments_of(weights: list[float]) -> dict[int, float]:
    """The heaviest frame with the weight of those within two frames of it, then the heaviest of the rest, and so on."""
    left, found = dict(enumerate(weights)), {}
    while left:
        heaviest = max(left, key=left.__getitem__)
        found[heaviest] = sum(left.pop(frame) for frame in range(heaviest - 2, heaviest + 3) if frame in left)
    return found


def test_evidence_is_the_models_own_attention_in_its_deep_layers(
    adapter: ModelAdapter, model_directory: Path, make_engine: Callable[..., StreamEngine]
) -> None:
    frames = pictures(FRAMES)
    eager = LlavaOnevisionForConditionalGeneration.from_pretrained(model_directory, attn_implementation="eager").eval()
    with torch.no_grad():
        attentions = eager(**whole_sequence(adapter, frames), output_attentions=True).attentions
    prefix, per_frame = adapter.prefix().shape[0], adapter.max_tokens_per_block
    deep = torch.stack(attentions[7:])[:, 0, :, -1, prefix : prefix + FRAMES * per_frame]
    by_frame = deep.reshape(-1, FRAMES, per_frame).sum(dim=(0, 2))
    expected = by_frame / by_frame.sum()

    engine = make_engine(policy="full", budget_tokens=100, slots=1)
    engine.ingest("cam", frames, list(range(FRAMES))).result(timeout=30)
    evidence = engine.ask("cam", Question(QUESTION, max_tokens=1)).result(timeout_s=30).evidence

    weights = [item.weight for item in evidence]
    assert weights == sorted(weights, reverse=True)
    assert {item.frame: item.weight for item in evidence} == pytest.approx(moments_of(expected.tolist()), abs=1e-5)


def test_evidence_names_only_frames_that_the_memory_still_holds(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="recent_only", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(40), list(range(40))).result(timeout=30)
    evidence = engine.ask("cam", Question(QUESTION, max_tokens=3)).result(timeout_s=30).evidence
    assert evidence
    assert all(30 <= item.frame < 40 for item in evidence)
    assert sum(item.weight for item in evidence) == pytest.approx(1, abs=1e-4)


def test_options_are_scored_by_the_models_own_likelihood(
    adapter: ModelAdapter,
    reference: LlavaOnevisionForConditionalGeneration,
    make_engine: Callable[..., StreamEngine],
) -> None:
    frames = pictures(FRAMES)
    inputs = whole_sequence(adapter, frames)
    asked = inputs["input_ids"].shape[1]
    scores = []
    for option in OPTIONS:
        ids = [*adapter.tokenizer(option)["input_ids"], adapter.tokenizer.eos_token_id]
        whole = inputs | {"input_ids": torch.cat((inputs["input_ids"], torch.tensor([ids])), dim=1)}
        with torch.no_grad():
            said = reference(**whole).logits[0, asked - 1 : -1].log_softmax(dim=-1)
        scores.append(said[torch.arange(len(ids)), ids].sum())
    expected = torch.stack(scores).softmax(dim=0).tolist()

    engine = make_engine(policy="full", budget_tokens=100, slots=1)
    engine.ingest("cam", frames, list(range(FRAMES))).result(timeout=30)
    answer = engine.ask("cam", Question(QUESTION, options=OPTIONS)).result(timeout_s=30)

    assert answer.option_probabilities == pytest.approx(expected, abs=1e-4)
    assert answer.text == OPTIONS[expected.index(max(expected))]


@pytest.mark.parametrize("options", [("red",), ("red", "red"), ("red", " ")])
def test_options_that_are_no_choice_are_refused(
    make_engine: Callable[..., StreamEngine], options: tuple[str, ...]
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    with pytest.raises(InvalidQuestion, match=r"^options:"):
        engine.ask("cam", Question(QUESTION, options=options))


def test_question_about_a_moment_waits_for_its_frame(make_engine: Callable[..., StreamEngine]) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(1), [1000]).result(timeout=30)
    asked = engine.ask("cam", Question(QUESTION, max_tokens=1, as_of_ms=2000))
    later = threading.Timer(0.3, lambda: engine.ingest("cam", pictures(2), [1900, 2100]))
    later.start()
    answer = asked.result(timeout_s=30)
    later.join()
    assert answer.as_of_ms == 2100
    assert answer.ttft_ms > 250


def test_question_that_waits_for_a_stream_that_is_dropped_is_refused_at_once(
    make_engine: Callable[..., StreamEngine],
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=2)
    for stream in ("leaves", "stays"):
        engine.ingest(stream, pictures(1), [1000]).result(timeout=30)
    waiting = {s: engine.ask(s, Question(QUESTION, max_tokens=1, as_of_ms=2000)) for s in ("leaves", "stays")}
    engine.drop("leaves")
    with pytest.raises(UnknownStream, match="leaves"):
        waiting["leaves"].result(timeout_s=5)
    engine.ingest("stays", pictures(1), [2000]).result(timeout=30)
    assert waiting["stays"].result(timeout_s=30).as_of_ms == 2000


def test_question_about_a_moment_that_never_comes_times_out_by_itself(
    make_engine: Callable[..., StreamEngine],
) -> None:
    engine = make_engine(policy="sink_window", budget_tokens=60, slots=1)
    engine.ingest("cam", pictures(1), [1000]).result(timeout=30)
    started = perf_counter()
    with pytest.raises(QuestionTimeout, match=r"as_of: .* 0\.2 s"):
        engine.ask("cam", Question(QUESTION, as_of_ms=2000, timeout_s=0.2)).result(timeout_s=30)
    assert perf_counter() - started < 5
    # Others are not held up by it.
    engine.ask("cam", Question(QUESTION, as_of_ms=2000, timeout_s=20))
    assert engine.ask("cam", Question(QUESTION, max_tokens=1)).result(timeout_s=5).as_of_ms == 1000
