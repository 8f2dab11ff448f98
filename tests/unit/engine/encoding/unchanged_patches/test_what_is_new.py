"""With ``memory.unchanged_patches: drop`` a memory holds what is new of each place, where whole frames have it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.config import MemorySettings
from hermes_ray.engine import Question
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.models import FrameGroup, ModelAdapter
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.encoding.unchanged_patches.films import (
    START_MS,
    STEP_MS,
    EngineOf,
    expected,
    filmed,
    identities,
    memory_of,
    places_held,
    random_contents,
    show,
)


@pytest.mark.parametrize("family", ["adapter", "pairing", "stamping"], indirect=True)
def test_a_place_is_encoded_when_it_shows_something_else_than_was_last_encoded_of_it(
    family: ModelAdapter, engine_of: EngineOf
):
    contents = random_contents(family, 40)
    engine = engine_of(family, policy="full", budget_tokens=2000)
    stats = show(engine, filmed(family, contents), range(40)).result(60)
    kept = expected(family, contents)
    held = places_held(family, memory_of(engine).view)
    assert held == kept
    places = contents.shape[1]
    assert 0 < stats.tokens_left_out == places * 40 // family.frames_per_block - sum(map(len, kept.values()))
    assert engine.memory_map("cam").frames == tuple(kept)
    engine.stats()  # answered between two steps, so the last one is in the counts
    assert engine.monitor()[0].tokens_left_out == stats.tokens_left_out


@pytest.mark.parametrize("family", ["adapter", "pairing", "stamping"], indirect=True)
def test_positions_are_those_of_whole_frames(family: ModelAdapter, engine_of: EngineOf):
    contents = random_contents(family, 30, still=0.0)
    film = filmed(family, contents)
    dropping, keeping = (engine_of(family, patches, policy="full", budget_tokens=2000) for patches in ("drop", "keep"))
    views = []
    for engine in (dropping, keeping):
        show(engine, film, range(30)).result(60)
        views.append(memory_of(engine).view)
    assert views[0].tokens < views[1].tokens
    for layer in range(views[0].rows):
        known = {
            token: position.tolist()
            for token, position in zip(identities(views[1], layer), views[1].positions[layer], strict=True)
        }
        here = [known[token] for token in identities(views[0], layer)]
        assert views[0].positions[layer].tolist() == here


def test_the_decoder_computes_what_the_model_does_of_the_tokens_that_are_left(
    adapter: ModelAdapter, reference: LlavaOnevisionForConditionalGeneration
):
    contents = random_contents(adapter, 12, still=0.0)
    groups = [
        FrameGroup((adapter.preprocess(picture),), (STEP_MS * number,), (number,))
        for number, picture in enumerate(filmed(adapter, contents))
    ]
    sieve, scene, sifted = PatchSieve(adapter, 3600), None, []
    for group in groups:
        sifted.append(sieve.sift(scene, group))
        scene = sifted[-1].scene
    whole = adapter.encode(groups)
    writer = MemoryWriter(adapter, MemorySettings(policy="full", budget_tokens=200, slots=1), text_tokens=64)
    memory = writer.open("cam")
    blocks = [group.thinned(block) for group, block in zip(sifted, whole, strict=True)]
    writer.write({"cam": memory}, {"cam": blocks[:5]})
    writer.write({"cam": memory}, {"cam": blocks[5:]})
    answers = AnswerSlab(adapter.decoder, adapter.rotary, seats=1, capacity=400)
    question = adapter.question("what is in view now ?")
    actual = answers.prefill(answers.copy(writer.slab, memory.slot), question)

    kept, prefix = expected(adapter, contents), adapter.prefix()
    places = torch.tensor([frame * 9 + place for frame, shown in kept.items() for place in shown])
    visual = torch.cat([block.embeds for block in whole])[places]
    behind = prefix.shape[0] + 9 * len(groups)
    positions = torch.cat(
        (torch.arange(prefix.shape[0]), prefix.shape[0] + places, torch.arange(behind, behind + question.shape[0]))
    )
    embeds = torch.cat((prefix, visual, question))[None]
    with torch.no_grad():
        hidden = reference.model.language_model(
            inputs_embeds=embeds,
            position_ids=positions[None],
            attention_mask=torch.ones(1, embeds.shape[1], dtype=torch.int64),
        )[0]
        logits = reference.lm_head(hidden[0, -1])
    torch.testing.assert_close(actual, logits, rtol=0, atol=1e-4)


def test_change_that_is_too_slow_to_be_seen_from_frame_to_frame_adds_up_to_news(
    adapter: ModelAdapter, engine_of: EngineOf
):
    contents = np.zeros((60, 9), dtype=np.int64)
    film = filmed(adapter, contents, noise=1.0)
    for number, picture in enumerate(film):
        green = picture[30:42, 30:42, 1]
        green[:] = np.clip(green.astype(int) + 2 * number, 0, 255)
    engine = engine_of(adapter, policy="full", budget_tokens=2000)
    show(engine, film, range(60)).result(60)
    held = places_held(adapter, memory_of(engine).view)
    renewed = [frame for frame, places in held.items() if 4 in places]
    assert 2 < len(renewed) < 30
    assert all(places == [4, 8] for frame, places in held.items() if frame), "nothing else is new"


def test_frames_without_any_news_move_time_and_counts_on_and_cost_no_tower(adapter: ModelAdapter, engine_of: EngineOf):
    contents = np.zeros((20, 9), dtype=np.int64)
    contents[12:, 2] = 1
    seen: list[int] = []

    def encode(groups: Sequence[FrameGroup]) -> Any:
        seen.extend(number for group in groups for number in group.numbers)
        return adapter.encode(groups)

    film = filmed(adapter, contents)
    engine = engine_of(Replaced(adapter, encode=encode), budget_tokens=90)
    for number in range(20):
        stats = show(engine, film, [number]).result(60)
        assert (stats.frames_seen, stats.as_of_ms) == (number + 1, START_MS + STEP_MS * number)
    assert seen == [0, 12]
    assert (stats.frames_unchanged, stats.tokens_left_out) == (18, 18 * 9 + 7)
    assert engine.memory_map("cam").frames == (0, 12)
    assert engine.picture("cam", 5).frame == 0, "it looked like the frame that it repeats"
    assert engine.ask("cam", Question("what happened ?", max_tokens=4)).result(60).as_of_ms == stats.as_of_ms


def test_a_whole_frame_is_encoded_behind_the_gap(adapter: ModelAdapter, engine_of: EngineOf):
    engine = engine_of(adapter, max_gap_s=2, policy="full", budget_tokens=400)
    show(engine, filmed(adapter, np.zeros((21, 9), dtype=np.int64)), range(21)).result(60)
    held = places_held(adapter, memory_of(engine).view)
    assert held == {frame: list(range(9)) for frame in (0, 4, 8, 12, 16, 20)}
