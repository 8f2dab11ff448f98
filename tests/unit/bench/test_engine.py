"""The benchmark of the engine on the small shape: all of it runs, and its arithmetic is right."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache, LlavaOnevisionForConditionalGeneration
from typer.testing import CliRunner

from hermes_ray.bench.engine.bars import bar
from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.picture import draw
from hermes_ray.bench.engine.plan import Part, Plan, Shape
from hermes_ray.bench.engine.run import Done, measure, report, steps
from hermes_ray.bench.engine.subject import Subject, random_subject
from hermes_ray.bench.engine.work import frame_flops, token_bytes
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.machine import describe_machine
from hermes_ray.cli.bench.engine import print_failures
from hermes_ray.cli.main import app
from hermes_ray.models import FrameGroup
from tests.terminal import Terminal
from tests.unit.bench.test_tables import check_one_line_each

PLAN = Plan(seconds=0.05, answer_tokens=5, level_tokens=2, askers=(1, 3))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return random_subject(Shape.TINY, device="cpu", dtype="float32", seed=0)


def run(subject: Subject, plan: Plan) -> tuple[Bench, list[Done]]:
    bench = Bench(subject, plan, lambda _: None)
    return bench, list(measure(bench))


@pytest.fixture(scope="module")
def whole(subject: Subject) -> tuple[Bench, list[Done]]:
    return run(subject, PLAN)


def document_of(bench: Bench, done: Sequence[Done]) -> dict[str, Any]:
    return json.loads(json.dumps(report(describe_machine(), bench, done, quick=True, seconds=1.0)))


def figures_of(done: Sequence[Done]) -> dict[str, Figure]:
    return {figure.name: figure for part in done for figure in part.figures}


def test_every_part_is_measured_and_the_document_keeps_to_its_schema(
    whole: tuple[Bench, list[Done]], check_schema: Callable[[str, Any], None], tmp_path: Path
):
    bench, done = whole
    assert {part.part: part.error for part in done} == dict.fromkeys([*Part, "engine"])
    assert len(done) == steps(bench)
    document = document_of(bench, done)
    check_schema("engine", document)
    names = [figure["name"] for figure in document["figures"]]
    assert len(set(names)) == len(names)
    assert all(figure["value"] >= 0 for figure in document["figures"])
    draw(document, tmp_path / "engine.png")
    assert (tmp_path / "engine.png").read_bytes().startswith(b"\x89PNG")


def test_what_shows_nothing_new_is_left_out_of_thinned_frames(whole: tuple[Bench, list[Done]]):
    thinned = figures_of(whole[1])["ingest_16_streams_thinned"].detail
    # Two of nine tokens show the corner; every twentieth frame is whole.
    assert 2 / 9 <= thinned["share_of_tokens_encoded"] < 0.4


def test_every_figure_has_one_line_with_its_whole_name(whole: tuple[Bench, list[Done]]):
    check_one_line_each(list(figures_of(whole[1]).values()))


def test_every_bar_is_that_of_a_figure(whole: tuple[Bench, list[Done]]):
    found = figures_of(whole[1])
    for device in ("cpu", "cuda"):
        assert any(bar(name, shape, device) for name in found for shape in Shape)
    assert {name for name in found if bar(name, Shape.SEVEN, "cuda")} == {
        "ttft_alone",
        "token_alone",
        "token_of_8",
        "ttft_last_of_8",
        "ingest_16_streams",
        "loaded_p99_ttft_over_idle_p50",
        "compaction_share_of_ingest",
    }
    assert all((figure.bar is None) == (bar(name, Shape.TINY, "cpu") is None) for name, figure in found.items())


def test_levels_count_whole_answers_alone(whole: tuple[Bench, list[Done]]):
    levels = document_of(*whole)["levels"]
    assert [level["askers"] for level in levels] == [1, 3]
    for level in levels:
        assert level["answers"] >= level["askers"]
        assert level["answers_per_s"] * level["seconds"] == pytest.approx(level["answers"])
        assert level["tokens_per_s"] == pytest.approx(level["answers_per_s"] * PLAN.level_tokens)


def test_a_part_that_fails_is_reported_and_the_others_go_on(subject: Subject, check_schema: Callable[[str, Any], None]):
    one_frame = replace(subject, budget=subject.adapter.max_tokens_per_block)  # compacted at every frame
    bench, done = run(one_frame, replace(PLAN, parts=(Part.COMPACTION, Part.TTFT)))
    errors = {part.part: part.error for part in done}
    assert errors["engine"] is None
    assert errors[Part.TTFT] is None
    assert "NotMeasurable" in (errors[Part.COMPACTION] or "")
    check_schema("engine", document_of(bench, done))
    terminal = Terminal()
    print_failures(terminal, done)
    assert "NotMeasurable" in "".join(terminal.lines())
    assert figures_of(done)["ttft_alone"].value > 0


def test_without_an_engine_the_rest_is_left_out(subject: Subject, check_schema: Callable[[str, Any], None]):
    bench, done = run(replace(subject, budget=1), replace(PLAN, parts=(Part.RATES, Part.TTFT)))
    assert [(part.part, part.error is None) for part in done] == [(Part.RATES, True), ("engine", False)]
    assert "memory.budget_tokens" in (done[1].error or "")
    check_schema("engine", document_of(bench, done))


def test_operations_of_a_frame_are_those_that_torch_counts_in_transformers(subject: Subject):
    held, shape = 2000, subject.adapter.decoder.shape
    cache = DynamicCache()
    for layer in range(shape.layers):
        cache.update(*(torch.zeros(1, shape.kv_heads, held, shape.head_dim) for _ in range(2)), layer)
    frame = torch.zeros(1, subject.adapter.max_tokens_per_block, shape.hidden)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        subject.adapter.decoder.language_model(inputs_embeds=frame, past_key_values=cache)
    assert frame_flops(replace(subject, vision=False), held) == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_a_token_reads_the_weights_once_and_every_memory(subject: Subject):
    language_model: Any = subject.adapter.decoder.language_model
    read = [*language_model.layers.parameters(), *language_model.norm.parameters()]
    weights = sum(weight.nbytes for weight in (*read, *subject.adapter.decoder.lm_head.parameters()))
    cache = DynamicCache()
    for layer in range(subject.adapter.decoder.shape.layers):
        cache.update(torch.zeros(1, 2, 100, 32), torch.zeros(1, 2, 100, 32), layer)
    caches = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert token_bytes(subject, held=100, answers=1) == weights + caches
    assert token_bytes(subject, held=100, answers=8) == weights + 8 * caches


def test_random_weights_make_the_model_that_transformers_would_build(subject: Subject):
    made: Any = subject.adapter._model  # pyright: ignore[reportAttributeAccessIssue] - what the adapter is made of
    usual = LlavaOnevisionForConditionalGeneration(made.config).eval()
    usual.load_state_dict(made.state_dict())
    pixels = subject.adapter.preprocess(subject.pictures[0])
    with torch.inference_mode():
        (block,) = subject.adapter.encode([FrameGroup((pixels,), (0,))])
        normalised = (pixels[None, None].float() / 255 - 0.5) / 0.5
        expected = usual.get_video_features(normalised, return_dict=True).pooler_output
        torch.testing.assert_close(block.embeds, expected[0, : block.tokens], atol=1e-5, rtol=1e-4)
        prompt = subject.embedded_question()[None]
        torch.testing.assert_close(made(inputs_embeds=prompt).logits, usual(inputs_embeds=prompt).logits)


@pytest.mark.usefixtures("root_logger_restored")
def test_the_command_writes_and_draws_what_was_asked_for(check_schema: Callable[[str, Any], None], tmp_path: Path):
    file, picture = tmp_path / "engine.json", tmp_path / "engine.png"
    command = ["bench", "engine", "--seconds", "0.1", "--parts", "rates,ttft", "--budget", "90"]
    result = CliRunner().invoke(app, [*command, "--json", str(file), "--picture", str(picture), "--verbose"])
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    check_schema("engine", document)
    assert [part["part"] for part in document["parts"]] == ["rates", "engine", "ttft"]
    assert document["model"]["budget_tokens"] == 90
    assert "same_stream_again_ms" in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unknown_part_is_wrong_usage_and_named():
    result = CliRunner().invoke(app, ["bench", "engine", "--parts", "ttft,speed"])
    assert result.exit_code == 2
    assert "speed" in result.output
