"""Times read off what was seen from outside, against hand calculations and plain loops."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hermes_ray.bench.figures import report
from hermes_ray.bench.machine import describe_machine
from hermes_ray.bench.recovery import results
from hermes_ray.bench.recovery.fault import Fault
from hermes_ray.bench.recovery.measures import Measured, measure
from hermes_ray.bench.recovery.picture import draw
from hermes_ray.bench.recovery.plan import Kind, Plan
from hermes_ray.bench.recovery.run import SCHEMA, all_figures
from hermes_ray.bench.recovery.timeline import Arrivals, FrameGrid, Reply, answered_again_s, excess_frames

START_S = 1_000.0
HALF_SECONDS = FrameGrid(round(START_S * 1000), 500)


def arrivals(*seen: tuple[int, float]) -> Arrivals:
    """Newest frame of each answer, and its moment in seconds from the start."""
    found = Arrivals(HALF_SECONDS)
    for newest, at_s in seen:
        found.add(newest, START_S + at_s)
    return found


def reply(sent_s: float, took_s: float = 0.1, problem: str | None = None, newest: int = 0, more: int = 0) -> Reply:
    """A reply that rests on frames up to ``newest``, of which the memory counted ``more`` too many."""
    sent_s += START_S
    if problem is not None:
        return Reply(sent_s, sent_s + took_s, problem)
    ts_ms = HALF_SECONDS.start_ms + newest * HALF_SECONDS.period_ms
    return Reply(sent_s, sent_s + took_s, None, ts_ms, newest + 1 + more)


def test_recovery_lasts_from_the_kill_to_the_first_frame_taken_after_it():
    # Frames at 0, 0.5, 1.0 ...; killed at 2.1; frames 4 (2.0) and 5 (2.5) come at 7.0 and 7.4.
    seen = arrivals((0, 0.2), (3, 1.8), (4, 7.0), (5, 7.4), (20, 10.5))
    assert seen.back_s(START_S + 2.1) == pytest.approx(7.4 - 2.1)
    assert seen.back_s(START_S + 10.4) is None
    assert seen.newest_at(START_S + 6.9) == 3
    assert seen.longest_lag_s(START_S + 2.1, START_S + 4.0) == pytest.approx(10.5 - 3.0)


def test_times_of_frames_are_those_of_a_plain_search():
    chance = random.Random(3)
    answers, newest, at_s = [], -1, 0.0
    for _ in range(200):
        newest, at_s = newest + chance.randrange(3), at_s + chance.random()
        answers.append((newest, at_s))
    seen = arrivals(*[answer for answer in answers if answer[0] >= 0])
    for frame in range(newest + 3):
        plain = next((at for held, at in answers if held >= frame), None)
        assert seen.askable_s(frame) == (None if plain is None else START_S + plain)


def test_a_frame_taken_at_the_very_moment_is_not_after_it():
    assert HALF_SECONDS.first_after(START_S + 1.0) == 3
    assert HALF_SECONDS.first_after(START_S + 0.999) == 2
    assert HALF_SECONDS.first_after(START_S - 5.0) == 0


def test_answered_again_counts_from_the_last_refusal():
    lucky = [reply(2.0), reply(2.2, problem="worker-unavailable"), reply(5.0, problem="not-ready"), reply(5.5, 0.3)]
    assert answered_again_s(lucky, START_S + 2.0, START_S + 9.0) == pytest.approx(3.8)
    assert answered_again_s([reply(2.5, 0.2)], START_S + 2.0, START_S + 9.0) == pytest.approx(0.7)
    assert answered_again_s(lucky, START_S + 2.0, START_S + 5.2) is None


def test_frames_missing_and_frames_applied_twice_are_told_apart():
    assert excess_frames(
        HALF_SECONDS, [reply(1, newest=3), reply(2, newest=5, more=-2), reply(3, newest=9, more=1)]
    ) == [
        0,
        -2,
        1,
    ]


def killed_worker(after: list[Reply]) -> Measured:
    """``cam-0`` on the victim, ``cam-1`` elsewhere; quiet from 0, killed at 4.1, back with frame 9 at 10.1."""
    seen = {
        "cam-0": arrivals((0, 0.3), (1, 0.7), (7, 3.9), (8, 9.9), (9, 10.1)),
        "cam-1": arrivals(*[(frame, frame / 2 + 0.2) for frame in range(30)]),
    }
    replies = {
        "cam-0": [reply(1.0), *[reply(at_s, problem="worker-unavailable") for at_s in (5.0, 6.0, 7.0)], *after],
        "cam-1": [*[reply(at_s, 0.1, newest=1) for at_s in (1.0, 2.0, 3.0)], *[reply(5.0, 0.2), reply(6.0, 0.4)]],
    }
    steps = {"process": 4.6, "constructed": 5.6, "loaded": 8.6, "restored": 9.1}
    fault = Fault(
        kind=Kind.MEMORY_WAITS,
        victim="memory-0",
        quiet_s=START_S + 0.1,
        at_s=START_S + 4.1,
        over_s=START_S + 10.1,
        affected=("cam-0",),
        others=("cam-1",),
        restart_s={name: START_S + at_s for name, at_s in steps.items()},
        snapshot_ages_s={"cam-0": 2.5},
        replayed={"cam-0": 5},
        waiting={"cam-0": reply(4.1, 6.0)},
    )
    return measure(fault, seen, replies, START_S + 14.0)


def test_a_kill_is_measured_as_by_hand():
    moved_back = reply(12.0, problem="not-ready")
    found = killed_worker([reply(9.5, 0.3, newest=5), reply(11.0, newest=9), moved_back, reply(12.5, newest=11)])
    assert found.recovery_s == {"cam-0": pytest.approx(6.0)}
    assert found.ordinary_s == {"cam-0": pytest.approx(0.6)}
    assert found.answered_s == {"cam-0": pytest.approx(5.7)}
    assert (found.refused, found.refused_others) == (3, 0)
    assert found.ttft_before_s == pytest.approx([0.1, 0.1, 0.1])
    assert found.ttft_during_s == pytest.approx([0.2, 0.4])
    assert found.steps_s == pytest.approx({"process": 0.5, "constructed": 1, "loaded": 3, "restored": 0.5, "live": 1})
    assert (found.lost, found.twice) == (0, 0)


@pytest.mark.parametrize(("more", "lost", "twice"), [(-3, 3, 0), (2, 0, 2)])
def test_a_memory_that_came_back_wrong_misses_its_bar(more: int, lost: int, twice: int):
    found = killed_worker([reply(11.0, newest=9, more=more), reply(12.0, newest=10, more=more)])
    assert (found.lost, found.twice) == (lost, twice)
    passed = {figure.name: figure.passed for figure in all_figures([found])}
    assert passed["frames_lost"] is (lost == 0)
    assert passed["frames_applied_twice"] is (twice == 0)


def test_figures_quote_medians_and_ratios_and_keep_to_the_schema(check_schema: Callable[[str, Any], None], tmp_path):
    measured = [killed_worker([reply(9.5, 0.3)])] * 3
    found = {figure.name: figure for figure in all_figures(measured)}
    assert found["recovery"].value == pytest.approx(6.0)
    assert found["recovery"].detail["over_ordinary"] == pytest.approx(10.0)
    assert found["ttft_elsewhere_p50_over_before"].value == pytest.approx(2.0)
    assert found["ttft_elsewhere_p99_over_before"].value == pytest.approx(4.0)
    assert found["step_loaded"].value == pytest.approx(3.0)
    assert found["frames_replayed"].detail["snapshot_age_median_s"] == 2.5
    machine = describe_machine()
    document = report(
        machine, list(found.values()), quick=True, seconds=1.0, schema=SCHEMA, plan=Plan(), faults=measured
    )
    check_schema("recovery", json.loads(json.dumps(document)))
    draw(measured, tmp_path / "recovery.png")
    assert (tmp_path / "recovery.png").read_bytes().startswith(b"\x89PNG")


def test_streams_that_wait_for_their_worker_have_a_system_of_their_own():
    together, waiting = Plan().systems()
    assert waiting.kinds == (Kind.MEMORY_WAITS,)
    assert set(together.kinds) == set(Kind) - {Kind.MEMORY_WAITS}
    settings = [plan.settings("broker:9092", "/snapshots") for plan in (together, waiting)]
    assert [each["cluster"]["take_over_after_s"] for each in settings] == [0.0, None]
    (only,) = Plan(kinds=(Kind.INGEST, Kind.MOVE)).systems()
    assert only.kinds == (Kind.INGEST, Kind.MOVE)


def test_a_take_over_has_bars_and_steps_of_its_own():
    waited = killed_worker([reply(9.5, 0.3)])
    moments = {"taken-over": START_S + 4.4, "restored": START_S + 4.6}
    fault = replace(waited.fault, kind=Kind.MEMORY, restart_s=moments, others=())
    found = measure(fault, {"cam-0": arrivals((0, 0.1), (1, 0.5), (9, 6.1))}, {"cam-0": []}, START_S + 14.0)
    assert found.steps_s == pytest.approx({"taken-over": 0.3, "restored": 0.2, "live": 1.5})
    figures = {figure.name: figure for figure in results.figures(Kind.MEMORY, [replace(found, answered_s={})])}
    assert figures["recovery"].value == figures["recovery_p95"].value == pytest.approx(2.0)
    assert figures["recovery"].passed
    slow = replace(found, recovery_s={"cam-0": 5.1}, answered_s={})
    figures = {figure.name: figure for figure in results.figures(Kind.MEMORY, [slow])}
    assert not figures["recovery"].passed
    assert not figures["recovery_p95"].passed
