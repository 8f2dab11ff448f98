"""How long a step of frames may take while people ask."""

import pytest

from hermes_ray.engine.answering.waiting.patience import Patience

READING_S = 0.02


def asked(max_step_ms="auto") -> Patience:
    patience = Patience(max_step_ms)
    patience.asked(now_s=100.0)
    patience.read(READING_S)
    return patience


def test_a_step_takes_as_long_as_reading_while_people_are_likely_to_ask():
    assert Patience("auto").bound_s(100.0) is None
    assert asked().bound_s(100.0) == READING_S
    assert asked().bound_s(109.9, waited_s=0.9) == READING_S
    assert asked().bound_s(111.0) is None


@pytest.mark.parametrize("waited_s", [1.5, 3.0, 60.0])
def test_steps_grow_with_the_time_by_which_frames_are_late(waited_s):
    assert asked().bound_s(101.0, waited_s) == pytest.approx(READING_S * waited_s)


def test_what_reading_takes_is_learned_and_one_that_hangs_changes_little():
    patience = asked()
    for _ in range(30):
        patience.read(READING_S)
    patience.read(60.0)  # a machine that hung
    assert patience.bound_s(101.0) == pytest.approx(READING_S, rel=0.2)


def test_a_bound_in_the_settings_holds_however_late_frames_are():
    assert asked(max_step_ms=5).bound_s(101.0, waited_s=60.0) == 0.005
    assert Patience(5).bound_s(0.0) == 0.005
