"""When which rule is due."""

from collections import Counter

from hermes_ray.config import JournalSettings, StandingQuestion
from hermes_ray.standing.rule import Moment, Rule
from hermes_ray.standing.trigger import Trigger
from hermes_ray.standing.watch import Watch, due_at, first_due
from hermes_ray.transport.event import Event, EventKind

CAM = "123456789"
"""Its CRC-32 is 0xCBF43926, the check value of the standard: 40262 above a multiple of 60000, 2 above one of 3."""
BEGINS_MS = 60_000 - 40_262
"""A period of a minute begins there, and so do those of five seconds and of two and a half."""


def rule(name: str = "gate", **fields: object) -> Rule:
    return Rule(StandingQuestion.model_validate({"name": name, "question": "is somebody there?", **fields}))


def run(rules: list[Rule], frames: list[Moment], stream: str = CAM) -> list[tuple[str, ...]]:
    """Which rules are asked at each frame; the watch is stored and read back in between."""
    watch, asked = Watch(), []
    for moment in frames:
        due = due_at(stream, rules, watch.triggers, moment)
        watch = Watch.from_json(watch.found(due.triggers, ()).to_json())
        asked.append(tuple(rule.name for rule, _ in due.asked))
    return asked


def test_seconds_are_of_video_and_periods_of_a_stream_begin_together() -> None:
    rules = [rule("often", every_s=2.5), rule("seldom", every_s=5)]
    frames = [Moment(n + 1, n + 1, BEGINS_MS + at_ms) for n, at_ms in enumerate([-1, 0, 2000, 2499, 2500, 4999, 5000])]
    both = ("often", "seldom")
    assert run(rules, frames) == [both, both, (), (), ("often",), (), both]


def test_frames_count_as_well() -> None:
    frames = [Moment(n, n, 17 * n) for n in range(1, 8)]
    assert run([rule(every_frames=3)], frames) == [("gate",), (), (), ("gate",), (), (), ("gate",)]


def test_streams_have_their_turns_one_after_the_other() -> None:
    frames = [Moment(n + 1, n + 1, 1000 * n) for n in range(11)]
    streams = [f"cam-{n}" for n in range(500)]
    for often in ("every_s", "every_frames"):
        rules = [rule("gate", **{often: 5}), rule("other", **{often: 5})]
        asked = [run(rules, frames, stream) for stream in streams]
        assert all(each in ((), ("gate", "other")) for moments in asked for each in moments)
        turns = Counter(n % 5 for moments in asked for n, each in enumerate(moments) if n > 0 and each)
        assert set(turns) == {0, 1, 2, 3, 4}
        assert sum(turns.values()) == 1000
        assert max(turns.values()) < 1.5 * min(turns.values())


def test_a_clock_that_is_set_back_does_not_stop_evaluations() -> None:
    frames = [Moment(1, 1, 100_000), Moment(2, 2, 50_000), Moment(3, 3, 50_100)]
    assert run([rule(every_s=5)], frames) == [("gate",), ("gate",), ()]


def test_nothing_new_is_not_asked_again() -> None:
    frames = [Moment(1, 1, 0), Moment(2, 1, 5000), Moment(3, 1, 10_000), Moment(4, 2, 15_000)]
    assert run([rule(every_s=5)], frames) == [("gate",), (), (), ("gate",)]
    due = due_at(CAM, [rule(every_s=5)], {"gate": Trigger(0, 1, 0)}, frames[1])
    assert due.skipped == 1


def test_the_journal_begins_with_the_first_frame_and_writes_what_is_new() -> None:
    journal = Rule(JournalSettings(streams=("*",), every_s=60))
    seen = [(1, 1, 1000), (2, 2, 59_000), (3, 3, 61_000), (4, 3, 121_000)]
    frames = [Moment(frames, encoded, BEGINS_MS + at_ms) for frames, encoded, at_ms in seen]
    assert run([journal], frames) == [(), (), ("journal",), ()]


def test_a_batch_is_cut_at_the_first_frame_at_which_something_is_due() -> None:
    due = due_at(CAM, [rule(every_s=5)], {}, Moment(3, 3, BEGINS_MS + 4000))
    rules, known = [rule(every_s=5)], due.triggers
    further = [BEGINS_MS + at_ms for at_ms in (4500, 4900, 5100, 6000)]
    assert first_due(CAM, rules, known, 3, further) == 2
    assert first_due(CAM, rules, known, 3, further[:2]) is None
    assert first_due(CAM, rules, {}, 3, further) == 0
    assert first_due(CAM, [], {}, 0, [4500]) is None


def test_globs_and_muting() -> None:
    assert rule(streams=["gate-*", "door"]).watches("gate-1")
    assert not rule(streams=["gate-*"]).watches("yard")
    assert not rule(muted=True).watches("gate-1")


def test_a_rule_that_is_no_more_is_forgotten() -> None:
    known = {"gone": Trigger(0, 1, 0, matching=True, told=True)}
    assert due_at(CAM, [], known, Moment(2, 2, 9000)).triggers == {}


def test_events_stay_until_they_are_published() -> None:
    events = [Event(f"{n:032x}", EventKind.MATCH, "door", "gate", "?", "yes", n, n * 1000, 0.9) for n in range(3)]
    watch = Watch().found({"gate": Trigger(1, 1, 1)}, events)
    watch = Watch.from_json(watch.published([events[1].id]).begun_anew("door").to_json())
    assert watch == Watch({}, (events[0], events[2]))
