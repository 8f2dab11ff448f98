"""What steps cost, as the scheduler learns it, and which frames one takes."""

import random

import pytest

from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler
from hermes_ray.engine.encoding.waiting.step_costs import StepCosts

BASE_S, FRAME_S, COMPACTION_S = 0.010, 0.003, 0.008


def true_cost(frames: int, compactions: int) -> float:
    return BASE_S + frames * FRAME_S + compactions * COMPACTION_S


def teach(costs: StepCosts, steps: int, factor: float = 1.0) -> None:
    chance = random.Random(steps)
    for number in range(steps):
        frames, compactions = 1 + number % 5, int(number % 4 == 3)
        noise = chance.uniform(0.9, 1.1)
        costs.learn(frames, compactions, true_cost(frames, compactions) * noise * factor)


def test_what_a_step_a_frame_and_a_compaction_cost_is_learned() -> None:
    costs = StepCosts()
    teach(costs, 200)
    for frames, compactions in ((1, 0), (4, 0), (16, 0), (1, 1), (4, 2)):
        assert costs.seconds(frames, compactions) == pytest.approx(true_cost(frames, compactions), rel=0.2)


def test_one_step_that_hangs_changes_little_and_a_slower_machine_is_noticed() -> None:
    costs = StepCosts()
    teach(costs, 200)
    before = costs.seconds(4, 1)
    costs.learn(4, 0, 5.0)
    costs.learn(4, 1, 5.0)
    assert costs.seconds(4, 1) < 1.5 * before
    teach(costs, 200, factor=6.0)
    assert costs.seconds(4, 1) == pytest.approx(6 * true_cost(4, 1), rel=0.2)


def test_a_step_ends_where_the_next_frame_would_exceed_the_bound() -> None:
    scheduler = FrameScheduler(16)
    teach(scheduler.costs, 200)
    plan = scheduler.plan(dict.fromkeys("abcd", 100), {}, bound_s=true_cost(6, 0) + FRAME_S / 2)
    assert sum(plan.values()) == 6
    assert sum(scheduler.plan(dict.fromkeys("abcd", 100), {}, bound_s=None).values()) == 16


def test_a_step_has_a_frame_even_if_that_is_too_long() -> None:
    scheduler = FrameScheduler(16)
    teach(scheduler.costs, 200)
    assert scheduler.plan({"a": 9, "b": 9}, {"a": 1, "b": 1}, bound_s=1e-6) == {"a": 1}


def test_compactions_that_fall_due_together_are_spread_and_nobody_is_left_behind() -> None:
    streams = [f"camera-{number}" for number in range(8)]
    scheduler = FrameScheduler(16)
    teach(scheduler.costs, 200)
    due = dict.fromkeys(streams, 1)
    done: list[str] = []
    while due:
        plan = scheduler.plan(dict.fromkeys(streams, 100), due, bound_s=true_cost(3, 1) + FRAME_S / 2)
        compacted = [stream for stream in plan if stream in due]
        assert len(compacted) <= 1
        done += compacted
        due = {stream: at for stream, at in due.items() if stream not in compacted}
    assert done == streams


def test_without_a_bound_all_fall_due_at_once_as_they_come() -> None:
    scheduler = FrameScheduler(16)
    teach(scheduler.costs, 50)
    assert scheduler.plan(dict.fromkeys("abcd", 1), dict.fromkeys("abcd", 1)) == dict.fromkeys("abcd", 1)
