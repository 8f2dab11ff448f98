"""With ``memory.unchanged_patches: drop`` a memory holds what is new of each place, where whole frames have it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray import models
from hermes_ray.config import EngineSettings, MemorySettings, VideoSettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import ConfigError, FramesFailed
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import FrameGroup, ModelAdapter, fingerprint
from hermes_ray.video.thumbnail import thumbnail_maker
from tests.unit.engine.answering.test_question_faults import Replaced
from tests.unit.engine.encoding.snapshots.test_snapshots import assert_same
from tests.unit.models import families

START_MS, STEP_MS = 1_700_000_000_000, 500
LEVELS = ((220, 40, 40), (40, 60, 210), (230, 220, 60), (20, 20, 20))
CUTS = (1, 2, 7, 20, 37)
Kept = dict[int, list[int]]
EngineOf = Callable[..., StreamEngine]


@pytest.fixture(scope="module")
def stamping(tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    """One that joins two frames and announces each pair by its time in words."""
    return models.load(families.save("qwen3_vl", tmp_path_factory.mktemp("stamping")))


@pytest.fixture
def family(request: pytest.FixtureRequest) -> ModelAdapter:
    return request.getfixturevalue(request.param)


@pytest.fixture
def engine_of() -> Iterator[EngineOf]:
    engines: list[StreamEngine] = []

    def make(adapter: Any, patches: str = "drop", max_gap_s: float = 3600, skip: bool = False, **memory: Any) -> Any:
        settings = MemorySettings(**({"slots": 2, "unchanged_patches": patches} | memory))
        video = VideoSettings(unchanged="skip" if skip else "keep", max_gap_s=max_gap_s)
        limits = EngineSettings(max_frames_per_step=3)
        engines.append(StreamEngine(adapter, settings, limits, video=video, thumbnail=thumbnail_maker(32)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def grid_of(adapter: ModelAdapter) -> tuple[int, int, int]:
    """Rows and columns of tokens in the test's frames, and the pixels of a token's side."""
    return (3, 3, 24) if adapter.family == "llava_onevision" else (4, 6, families.TOKEN_PX)


def filmed(adapter: ModelAdapter, contents: NDArray[np.int64], noise: float = 3.0) -> list[NDArray[np.uint8]]:
    """Something in the middle of every place, with a sensor's noise and a lamp's flicker.

    Args:
        contents: ``[frames, places]``, which of :data:`LEVELS`.
    """
    rows, columns, side = grid_of(adapter)
    rng, film = np.random.default_rng(1), []
    for content in contents:
        picture = np.full((rows * side, columns * side, 3), 110.0)
        for place, level in enumerate(content):
            top, left = place // columns * side, place % columns * side
            inner = slice(side // 4, side - side // 4)
            picture[top : top + side, left : left + side][inner, inner] = LEVELS[level]
        picture = picture * rng.uniform(0.92, 1.08) + rng.normal(0, noise, picture.shape)
        film.append(np.clip(picture, 0, 255).astype(np.uint8))
    return film


def random_contents(adapter: ModelAdapter, frames: int, still: float = 0.5, most: int = 2) -> NDArray[np.int64]:
    """What stands where: many frames as the one before, the others with up to ``most`` places changed, often back."""
    rng, places = np.random.default_rng(3), grid_of(adapter)[0] * grid_of(adapter)[1]
    contents = np.zeros((frames, places), dtype=np.int64)
    contents[0] = rng.integers(len(LEVELS), size=places)
    for frame in range(1, frames):
        contents[frame] = contents[frame - 1]
        if rng.random() >= still:
            for place in rng.choice(places, size=rng.integers(1, most + 1), replace=False):
                contents[frame, place] = (contents[frame, place] + rng.integers(1, len(LEVELS))) % len(LEVELS)
    return contents


def lively(adapter: ModelAdapter) -> tuple[list[NDArray[np.uint8]], int]:
    """40 frames, and a budget that they exceed."""
    if adapter.family == "llava_onevision":
        return filmed(adapter, random_contents(adapter, 40)), 30
    return filmed(adapter, random_contents(adapter, 40, most=10)), 112


def expected(adapter: ModelAdapter, contents: NDArray[np.int64]) -> Kept:
    """By the first frame of each group: the places whose content is not what was last encoded there, and the last."""
    together, shown, kept = adapter.frames_per_block, None, Kept()
    for first in range(0, len(contents) - together + 1, together):
        group = contents[first : first + together]
        new = np.ones(contents.shape[1], bool) if shown is None else (group != shown).any(axis=0)
        if new.any():
            new[-1] = True
            shown = np.where(new, group[-1], group[0] if shown is None else shown)
            kept[first] = np.flatnonzero(new).tolist()
    return kept


def show(engine: StreamEngine, film: Sequence[NDArray[np.uint8]], numbers: Sequence[int]) -> Any:
    images, times = [film[number] for number in numbers], [START_MS + STEP_MS * number for number in numbers]
    return engine.ingest("cam", images, times)


def memory_of(engine: StreamEngine) -> Snapshot:
    return snapshot_format.load(engine.snapshot("cam"), fingerprint(engine.adapter.decoder))


def places_held(adapter: ModelAdapter, view: Any, layer: int = 0) -> Kept:
    """By frame, the places of the picture that a layer holds tokens of; text beside them has higher numbers."""
    places, kept = grid_of(adapter)[0] * grid_of(adapter)[1], Kept()
    for frame, patch in zip(view.frames[layer].tolist(), view.patches[layer].tolist(), strict=True):
        if 0 <= patch < places:
            kept.setdefault(frame, []).append(patch)
    return kept


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


def identities(view: Any, layer: int) -> list[tuple[int, int]]:
    return list(zip(view.frames[layer].tolist(), view.patches[layer].tolist(), strict=True))


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


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_a_restored_stream_goes_on_as_if_nothing_had_happened(family: ModelAdapter, engine_of: EngineOf, skip: bool):
    film, budget = lively(family)
    settings: dict[str, Any] = {"budget_tokens": budget, "skip": skip, "max_gap_s": 11}
    undisturbed, cut, restored = (engine_of(family, **settings) for _ in range(3))
    for number in range(40):
        if number in CUTS:
            before, restored = restored, engine_of(family, **settings)
            restored.restore("cam", before.snapshot("cam"))
            assert_same(cut, restored)
        for engine in (undisturbed, cut, restored):
            show(engine, film, [number]).result(60)
    assert undisturbed.stream_stats("cam").compactions > 0
    for engine in (cut, restored):
        assert_same(undisturbed, engine)


@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_how_frames_are_handed_over_changes_nothing(family: ModelAdapter, engine_of: EngineOf):
    film, budget = lively(family)
    at_once, in_pieces, by_one, by_two = (engine_of(family, budget_tokens=budget) for _ in range(4))
    assert show(at_once, film, range(40)).result(60).frames_unchanged > 0
    for applied in [show(in_pieces, film, range(start, start + 5)) for start in range(0, 40, 5)]:
        applied.result(60)
    for engine, together in ((by_one, 1), (by_two, 2)):
        for start in range(0, 40, together):
            show(engine, film, range(start, start + together)).result(60)
    for engine in (in_pieces, by_one, by_two):
        assert_same_memory(at_once, engine)


@pytest.mark.parametrize("family", ["adapter", "pairing"], indirect=True)
def test_after_a_failure_the_rest_is_compared_with_what_the_memory_has(family: ModelAdapter, engine_of: EngineOf):
    film, budget = lively(family)
    fails = iter([False, True, True, False, True, True, *[False] * 1000])

    def encode(groups: Sequence[FrameGroup]) -> Any:
        if next(fails):  # together, and then alone
            raise RuntimeError("injected")
        return family.encode(groups)

    broken = engine_of(Replaced(family, encode=encode), budget_tokens=budget)
    undisturbed = engine_of(family, budget_tokens=budget)
    done = failures = 0
    while done < len(film):
        try:
            done = show(broken, film, range(done, min(done + 9, len(film)))).result(60).frames_seen
        except FramesFailed as error:
            failures += 1
            done += error.applied
    show(undisturbed, film, range(len(film))).result(60)
    assert failures > 0
    assert_same_memory(broken, undisturbed)


def assert_same_memory(engine: StreamEngine, other_engine: StreamEngine) -> None:
    """All but the last bits of keys and values, which depend on the batches."""
    one, other = memory_of(engine), memory_of(other_engine)
    assert (one.next_frame, one.extra) == (other.next_frame, other.extra)
    for name in ("frames", "patches", "positions", "counts"):
        assert torch.equal(getattr(one.view, name), getattr(other.view, name)), name
    for name in ("scene", "captured.frames", "captured.ms"):
        assert torch.equal(one.attached[name], other.attached[name]), name


@pytest.mark.parametrize("policy", ["hermes", "paper", "reference"])
def test_what_stands_still_is_never_forgotten(adapter: ModelAdapter, engine_of: EngineOf, policy: str):
    contents = np.zeros((150, 9), dtype=np.int64)
    contents[:, 0] = np.arange(150) % 3  # always new
    contents[5:, 4] = 2
    engine = engine_of(adapter, policy=policy, budget_tokens=40)
    film = filmed(adapter, contents)
    for first in range(0, 150, 10):
        stats = show(engine, film, range(first, first + 10)).result(60)
        assert stats.kv_tokens_per_layer == (stats.kv_tokens_per_layer[0],) * 10
        assert stats.kv_tokens_per_layer[0] <= stats.kv_prefix + 40
        newest = {**dict.fromkeys(range(9), 0), 4: 5, 0: first + 9, 8: first + 9}
        view = memory_of(engine).view
        for layer in range(view.rows):
            assert {(frame, place) for place, frame in newest.items()} <= set(identities(view, layer)), layer
    assert stats.compactions > 5


@pytest.mark.parametrize("positions", ["eager", "lazy"])
def test_gaps_are_closed_before_positions_run_out_and_nothing_is_evicted_for_it(
    adapter: ModelAdapter, engine_of: EngineOf, positions: str
):
    contents = np.zeros((200, 9), dtype=np.int64)
    contents[:, 0] = np.arange(200) % 2
    engine = engine_of(adapter, policy="hermes", budget_tokens=450, positions=positions)
    film = filmed(adapter, contents)
    for first in range(0, 200, 20):
        stats = show(engine, film, range(first, first + 20)).result(60)
        view = memory_of(engine).view
        largest = stats.kv_prefix + 450 + int(0.375 * 450) + 9
        assert positions == "lazy" or int(view.positions.max()) < largest
        assert places_held(adapter, view) == expected(adapter, contents[: first + 20])
        assert (view.positions[:, 1:, 0] > view.positions[:, :-1, 0]).all(), "as the frames came"
    assert (stats.compactions > 0) == (positions == "eager")


def test_a_budget_without_room_for_what_every_place_shows_is_refused_by_name(adapter: ModelAdapter):
    with pytest.raises(ConfigError, match=r"unchanged_patches.*memory\.budget_tokens"):
        MemoryWriter(adapter, MemorySettings(budget_tokens=12, unchanged_patches="drop"), text_tokens=64)


def test_a_memory_of_whole_frames_goes_on_and_so_does_one_of_new_places(adapter: ModelAdapter, engine_of: EngineOf):
    contents = random_contents(adapter, 30)
    film = filmed(adapter, contents)
    keeping, dropping, again = (engine_of(adapter, patches, budget_tokens=400) for patches in ("keep", "drop", "keep"))
    show(keeping, film, range(10)).result(60)
    dropping.restore("cam", keeping.snapshot("cam"))
    stats = show(dropping, film, range(10, 20)).result(60)
    assert stats.tokens_left_out > 0
    assert places_held(adapter, memory_of(dropping).view)[10] == list(range(9)), "there was nothing to compare it with"
    again.restore("cam", dropping.snapshot("cam"))
    assert show(again, film, range(20, 30)).result(60).tokens_left_out == stats.tokens_left_out
    assert "scene" not in memory_of(again).attached


def test_a_memory_of_few_tokens_and_many_gaps_has_positions_for_whole_frames(
    adapter: ModelAdapter, engine_of: EngineOf
):
    contents = random_contents(adapter, 165)
    film = filmed(adapter, contents)
    dropping, keeping = (
        engine_of(adapter, patches, policy="hermes", budget_tokens=1500, positions="lazy")
        for patches in ("drop", "keep")
    )
    show(dropping, film, range(10)).result(60)
    cut, limits = memory_of(dropping), EngineSettings()
    behind_text = adapter.decoder.shape.max_positions - limits.max_question_tokens - limits.max_answer_tokens
    state = {**cut.extra["stream"], "reach": behind_text - 9}  # as far as gaps may have taken it
    positions = cut.view.positions + state["reach"] - cut.extra["stream"]["reach"]
    far = replace(cut, view=cut.view.with_positions(positions), extra={**cut.extra, "stream": state})
    keeping.restore("cam", snapshot_format.dump(far, fingerprint(adapter.decoder)))
    show(keeping, film, range(10, 165)).result(60)
    view = memory_of(keeping).view
    assert places_held(adapter, view) == expected(adapter, contents[:10]) | {
        frame: list(range(9)) for frame in range(10, 165)
    }
    assert int(view.positions.max()) < behind_text
    assert (view.positions[:, 1:, 0] > view.positions[:, :-1, 0]).all(), "as the frames came"
