"""Which conversations are forgotten when there are too many."""

from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.models import Turn

TURN = Turn("q", "a")


def test_who_begins_one_conversation_after_another_pushes_out_their_own_alone():
    sessions = Sessions(10)
    for name in ("a/1", "a/2"):
        sessions.remember("cam", name, TURN)
    for number in range(100):
        sessions.remember("cam", f"b/{number}", TURN)
    assert [bool(sessions.history("cam", name)) for name in ("a/1", "a/2", "b/0", "b/99")] == [True, True, False, True]


def test_of_their_own_the_one_not_continued_for_longest_goes_first():
    sessions = Sessions(2)
    for name in ("a/1", "a/2", "a/1", "a/3"):
        sessions.remember("cam", name, TURN)
    assert [len(sessions.history("cam", f"a/{number}")) for number in (1, 2, 3)] == [2, 0, 1]


def test_what_was_said_about_one_stream_ends_with_it():
    sessions = Sessions(10)
    for stream in ("cam", "door"):
        sessions.remember(stream, "mine", TURN)
    sessions.forget("cam")
    assert not sessions.history("cam", "mine")
    assert sessions.history("door", "mine") == (TURN,)
