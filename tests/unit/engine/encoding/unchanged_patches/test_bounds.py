"""With ``memory.unchanged_patches: drop`` a budget and the model's positions are enough for what stands still."""

from dataclasses import replace

import numpy as np
import pytest

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.errors import ConfigError
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.models import ModelAdapter, fingerprint
from tests.unit.engine.encoding.unchanged_patches.films import (
    EngineOf,
    expected,
    filmed,
    identities,
    memory_of,
    places_held,
    random_contents,
    show,
)


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
