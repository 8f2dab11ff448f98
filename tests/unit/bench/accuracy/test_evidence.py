"""Evidence is honest: the frames that an answer names show what it says."""

import pytest

from hermes_ray import models
from hermes_ray.bench.accuracy.evidence import Subject, examine, shows, subjects
from hermes_ray.bench.accuracy.items import FIRST_SEED, evaluation_stream
from hermes_ray.config import MemorySettings
from hermes_ray.video.world import Truth, World


@pytest.mark.parametrize(
    ("question", "answer", "wanted"),
    [
        ("what came last ?", "a red car", [("red", "car")]),
        ("what is in view now ?", "a red car and a blue bus", [("red", "car"), ("blue", "bus")]),
        ("what colour was the truck ?", "green", [("green", "truck")]),
        ("did a green dog come ?", "yes", [("green", "dog")]),
        ("did anything blue come ?", "yes", [("blue", None)]),
        ("did a bike come ?", "yes", [(None, "bike")]),
        ("where is the person ?", "left", [(None, "person")]),
        ("how many buses came ?", "two", [(None, "bus")]),
        ("how many things came ?", "three", [(None, None)]),
        ("what came before the red car ?", "a white dog", [("white", "dog")]),
        ("did a green dog come ?", "no", []),
        ("what colour is the bus ?", "no bus", []),
        ("where is the bus ?", "nowhere", []),
        ("how many cars came ?", "zero", []),
        ("what came first ?", "nothing", []),
        ("what came first ?", "", []),
    ],
)
def test_what_must_be_seen(question: str, answer: str, wanted: list[Subject]):
    assert subjects(question, answer) == wanted


def test_a_frame_shows_what_is_in_view_and_nothing_else():
    world = World(FIRST_SEED)
    truth = Truth(world)
    seen = 0
    for second in range(120):
        in_view = truth.in_view(float(second))
        if truth.is_clear(float(second)):
            assert shows(world, float(second), [(None, None)]) == bool(in_view)
            for thing in in_view:
                assert shows(world, float(second), [(thing.colour, thing.kind)])
                assert not shows(world, float(second), [("no such colour", thing.kind)])
                seen += 1
    assert seen > 5


def test_nearly_every_answer_names_a_frame_that_shows_what_it_says():
    adapter = models.load("hermes-tiny", device="cpu")
    memory = MemorySettings(budget_tokens=30 * adapter.max_tokens_per_block, slots=1)
    found = examine(adapter, evaluation_stream(FIRST_SEED, 200, moments=4, per_category=4), memory)
    assert len(found) > 20
    assert sum(grounds.any_named for grounds in found) / len(found) > 0.8
    weight, chance = (sum(getattr(one, name) for one in found) / len(found) for name in ("weight", "by_chance"))
    assert weight > 2 * chance
