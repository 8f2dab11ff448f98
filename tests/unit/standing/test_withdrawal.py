"""A match of which nobody asks any more whether it holds is cleared, once, whoever finds that out."""

from dataclasses import replace

from hermes_ray.standing.trigger import Trigger
from hermes_ray.standing.watch import Watch
from hermes_ray.standing.withdrawal import withdrawn
from hermes_ray.transport.event import EventKind, event_id

TOLD = Trigger(3, 9, 9000, matching=True, told=True, matched_ms=5000, frame=8, question="is somebody there?")


def test_of_rules_that_are_asked_no_more_what_was_told_is_cleared():
    quiet = replace(TOLD, told=False)
    (event,) = withdrawn("gate", {"gone": TOLD, "asked": TOLD, "never-told": quiet}, {"asked"})
    assert (event.kind, event.rule, event.stream_id) == (EventKind.CLEAR, "gone", "gate")
    assert (event.question, event.answer, event.probability) == ("is somebody there?", "", None)
    assert (event.frame, event.captured_ms) == (8, 9000)


def test_its_id_is_of_the_match_that_it_ends():
    def cleared(trigger):
        return withdrawn("gate", {"gone": trigger}, ())[0].id

    later = replace(TOLD, asked_ms=60_000, frame=70, encoded=70, period=9)
    assert cleared(later) == cleared(TOLD)
    assert cleared(replace(TOLD, matched_ms=5001)) != cleared(TOLD)
    assert cleared(TOLD) not in {event_id(EventKind.CLEAR, "gone", "gate", frame, 5000) for frame in range(100)}


def test_a_memory_that_begins_anew_clears_what_was_told():
    watch = Watch.from_json(Watch({"gate": TOLD}).begun_anew("cam").to_json())
    assert watch.triggers == {}
    assert [event.id for event in watch.pending] == [event.id for event in withdrawn("cam", {"gate": TOLD}, ())]


def test_a_trigger_of_a_release_that_did_not_know_the_question_is_cleared_too():
    old = {name: value for name, value in TOLD.to_json().items() if name not in ("frame", "question")}
    (event,) = withdrawn("gate", {"gone": Trigger.from_json(old)}, ())
    assert (event.question, event.id) == ("", withdrawn("gate", {"gone": TOLD}, ())[0].id)
