from collections import Counter

import numpy as np
import pytest

from hermes_ray.models.tiny.vocabulary import words
from hermes_ray.video.world import TASKS, QuestionWriter, Traffic, Truth, World

TRAFFIC = Traffic(mean_gap_s=1.0, quiet_share=0.03, overlap_share=0.5, kinds=4, colours=4)


def _asked(task, worlds=250):
    for seed in range(worlds):
        writer = QuestionWriter(World(seed, TRAFFIC), np.random.default_rng(seed))
        if question := writer.ask_at_one_of(task, np.arange(4, 25, 1.0)):
            yield seed, question


def _names(seed, t_s):
    """An oracle that knows nothing of the writer: names in order of coming."""
    return [f"{v.colour} {v.kind}" for v in World(seed, TRAFFIC).visits(0, t_s) if v.came_s <= t_s]


@pytest.mark.parametrize("task", TASKS)
def test_no_constant_answer_scores(task):
    answers = Counter(question.answer for _, question in _asked(task))
    total = sum(answers.values())
    assert total > 100
    highest = answers.most_common(1)[0][1] / total
    two_answers = task in ("seen", "seen_kind", "seen_colour", "is_now", "how_many_now")
    assert highest < (0.6 if two_answers else 0.48)


def test_seen_agrees_with_the_history_and_denials_are_hard():
    hard = denied = 0
    for seed, question in _asked("seen"):
        colour, kind = question.text.removeprefix("did a ").removesuffix(" come ?").split()
        names = _names(seed, question.asked_s)
        assert question.answer == ("yes" if f"{colour} {kind}" in names else "no")
        if question.answer == "no":
            denied += 1
            hard += any(name.startswith(colour) for name in names) or any(name.endswith(kind) for name in names)
    assert hard > 0.7 * denied


@pytest.mark.parametrize(("task", "step"), [("before", -1), ("after", 1)])
def test_before_and_after_name_the_neighbour_of_an_unmistakable_thing(task, step):
    for seed, question in _asked(task, worlds=80):
        names = _names(seed, question.asked_s)
        described = question.text.removeprefix(f"what came {task} the ").removesuffix(" ?")
        places = [i for i, name in enumerate(names) if name == described or name.endswith(f" {described}")]
        assert len(places) == 1
        place = places[0] + step
        assert question.answer == (f"a {names[place]}" if 0 <= place < len(names) else "nothing")


def test_counts_agree_with_the_history():
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for seed, question in _asked("count"):
        plural = question.text.removeprefix("how many ").removesuffix(" came ?")
        kind = "bus" if plural == "buses" else plural.removesuffix("s")
        came = sum(name.endswith(f" {kind}") for name in _names(seed, question.asked_s))
        assert question.answer == numbers[came]


def test_what_happened_lists_everything_in_order():
    for seed, question in _asked("what_happened", worlds=40):
        expected = " , ".join(f"a {name}" for name in _names(seed, question.asked_s)) or "nothing"
        assert question.answer == expected


def test_where_agrees_with_the_position():
    for seed, question in _asked("where", worlds=80):
        kind = question.text.removeprefix("where is the ").removesuffix(" ?")
        found = [s for s in Truth(World(seed, TRAFFIC)).in_view(question.asked_s) if s.kind == kind]
        if question.answer == "nowhere":
            assert not found
        else:
            low, high = {"left": (0, 1 / 3), "middle": (1 / 3, 2 / 3), "right": (2 / 3, 1)}[question.answer]
            assert low <= found[0].x <= high


def test_nothing_is_asked_while_a_thing_is_half_way_through_the_border():
    world = World(1, TRAFFIC)
    visit = world.visits(0, 30)[0]
    writer = QuestionWriter(world, np.random.default_rng(0))
    assert writer.ask("what_happened", visit.came_s) is None


@pytest.mark.parametrize("task", TASKS)
def test_the_bundled_model_knows_every_word(task):
    vocabulary = set(words())
    for _, question in _asked(task, worlds=60):
        assert set(question.text.split()) <= vocabulary
        assert set(question.answer.split()) <= vocabulary
