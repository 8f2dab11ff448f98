"""What answers become, case by case: each row is a run of evaluations, ten seconds apart, and the events it makes."""

from datetime import UTC, datetime

import pytest

from hermes_ray.config import QuietTime, StandingQuestion
from hermes_ray.standing.trigger import Trigger, is_quiet, judge
from hermes_ray.transport.event import EventKind

NOON_MS = round(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000)
FRESH = Trigger(period=0, encoded=0, asked_ms=0)


def run(question: StandingQuestion, shares: list[float], began_ms: int = NOON_MS, step_s: float = 10) -> str:
    """The events of a run of probabilities of "yes": M for a match, C for a clear, a dot for none."""
    trigger, events = FRESH, ""
    for place, share in enumerate(shares):
        at_ms = began_ms + round(place * step_s * 1000)
        trigger, verdict = judge(question, trigger, {"yes": share, "no": 1 - share}, at_ms)
        trigger = Trigger.from_json(trigger.to_json())  # a crash in between changes nothing
        events += {None: ".", EventKind.MATCH: "M", EventKind.CLEAR: "C"}[verdict.kind]
    return events


def gate(**fields: object) -> StandingQuestion:
    return StandingQuestion.model_validate({"name": "gate", "question": "is somebody there?", **fields})


@pytest.mark.parametrize(
    ("fields", "shares", "events"),
    [
        ({}, [0.1, 0.9, 0.9, 0.1], ".M.C"),
        ({}, [0.59, 0.6, 0.4, 0.39, 0.6], ".M.CM"),  # the bounds themselves
        ({}, [0.5, 0.9, 0.5, 0.5, 0.1, 0.5], ".M..C."),  # between the two it stays as it was
        ({}, [0.9], "M"),  # what is there from the beginning is news
        ({"on": "match"}, [0.1, 0.9, 0.5, 0.1, 0.5, 0.9], ".MM..M"),
        ({"on": "match", "cool_down_s": 20}, [0.9] * 5, "M.M.M"),
        ({"cool_down_s": 30}, [0.9, 0.1, 0.9, 0.9, 0.1], "MC.MC"),  # it held when the cool-down ended
        ({"cool_down_s": 30}, [0.9, 0.1, 0.9, 0.1, 0.1], "MC..."),  # it did not, and is not cleared either
        ({"fires": ["no"]}, [0.9, 0.1, 0.9], ".MC"),
        ({"fire_at": 1, "clear_at": 1}, [0.99, 1.0, 0.99], ".MC"),
        ({"fire_at": 0, "clear_at": 0}, [0.0, 0.0], "M."),
    ],
)
def test_runs(fields: dict[str, object], shares: list[float], events: str) -> None:
    assert run(gate(**fields), shares) == events


def test_a_match_in_a_quiet_time_is_told_at_its_end_if_it_still_holds() -> None:
    quiet = gate(quiet=[{"begins": "12:00", "ends": "12:01"}])
    assert run(quiet, [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]) == "......M."
    assert run(quiet, [0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.9]) == ".......M"


def test_a_match_that_was_told_is_cleared_in_a_quiet_time_too() -> None:
    quiet = gate(quiet=[{"begins": "12:00", "ends": "13:00"}])
    assert run(quiet, [0.9, 0.9, 0.1], began_ms=NOON_MS - 10_000) == "M.C"


def test_a_clock_that_is_set_back_does_not_lengthen_the_cool_down() -> None:
    assert run(gate(on="match", cool_down_s=60), [0.9, 0.9, 0.9], step_s=-3600) == "MMM"


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "hour", "quiet"),
    [
        ("08:00", "18:00", "UTC", 12, True),
        ("08:00", "18:00", "UTC", 18, False),
        ("08:00", "18:00", "UTC", 8, True),
        ("22:00", "06:00", "UTC", 23, True),
        ("22:00", "06:00", "UTC", 5, True),
        ("22:00", "06:00", "UTC", 6, False),
        ("13:00", "14:00", "Europe/Berlin", 12, True),  # winter: an hour ahead
        ("07:00", "08:00", "America/New_York", 12, True),
        ("12:00", "13:00", "America/New_York", 12, False),
    ],
)
def test_quiet_times(begins: str, ends: str, zone: str, hour: int, quiet: bool) -> None:
    moment = round(datetime(2026, 3, 1, hour, tzinfo=UTC).timestamp() * 1000)
    assert is_quiet((QuietTime(begins=begins, ends=ends, zone=zone),), moment) is quiet


def test_several_options_fire_together_and_the_likeliest_of_them_is_the_answer() -> None:
    question = gate(options=["car", "truck", "nothing"], fires=["car", "truck"])
    trigger, verdict = judge(question, FRESH, {"car": 0.25, "truck": 0.4, "nothing": 0.35}, NOON_MS)
    assert (verdict.kind, verdict.answer, verdict.probability) == (EventKind.MATCH, "truck", 0.4)
    _, verdict = judge(question, trigger, {"car": 0.1, "truck": 0.1, "nothing": 0.8}, NOON_MS)
    assert (verdict.kind, verdict.answer) == (EventKind.CLEAR, "nothing")
