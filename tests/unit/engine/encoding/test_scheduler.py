"""Fairness and bounds of the frame scheduler, over plain integers."""

from hypothesis import given
from hypothesis import strategies as st

from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler

WAITING = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 40), max_size=8)


@given(waiting=WAITING, cap=st.integers(1, 20))
def test_a_step_takes_as_much_as_it_may_and_never_more_than_waits(waiting: dict[str, int], cap: int) -> None:
    plan = FrameScheduler(cap).plan(waiting)
    assert sum(plan.values()) == min(cap, sum(waiting.values()))
    assert all(0 < plan[stream] <= waiting[stream] for stream in plan)


@given(waiting=WAITING, cap=st.integers(1, 20))
def test_no_stream_gets_two_frames_more_than_another_that_still_waits(waiting: dict[str, int], cap: int) -> None:
    plan = FrameScheduler(cap).plan(waiting)
    for stream, frames in waiting.items():
        if plan.get(stream, 0) < frames:
            assert all(taken <= plan.get(stream, 0) + 1 for taken in plan.values())


def test_streams_beyond_the_cap_have_their_turn_in_the_next_step() -> None:
    scheduler = FrameScheduler(2)
    waiting = dict.fromkeys("abcde", 100)
    served = [scheduler.plan(waiting) for _ in range(5)]
    assert {name: sum(plan.get(name, 0) for plan in served) for name in waiting} == dict.fromkeys("abcde", 2)


def test_a_hot_stream_does_not_starve_its_neighbours() -> None:
    scheduler = FrameScheduler(4)
    assert scheduler.plan({"hot": 1000, "cool": 1, "cold": 1}) == {"hot": 2, "cool": 1, "cold": 1}
