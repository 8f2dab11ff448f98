"""The demo's promises: each way to break one is found and named."""

import pytest

from hermes_ray.cli.demo.report import broken_promises, build_report, is_settled
from tests.unit.cli.listed import stream


def test_a_good_run_breaks_nothing():
    assert broken_promises({"cam": 20}, [stream()]) == []
    assert is_settled({"cam": 20}, [stream()])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"frames_decoded": 19}, "20 frames published, 19 decoded"),
        ({"frames_applied": 7}, "8 frames selected, 7 confirmed"),
        ({"frames_seen": 7}, "7 in memory"),
        ({"dead_letters": 2}, "2 records went to the dead letters"),
        ({"kv_tokens_per_layer": [30, 31]}, "31 tokens"),
    ],
)
def test_a_broken_promise_is_named(changes, named):
    (problem,) = broken_promises({"cam": 20}, [stream(**changes)])
    assert problem.startswith("cam: ")
    assert named in problem


def test_a_stream_that_never_arrived_is_named():
    assert broken_promises({"cam": 20, "lost": 5}, [stream()]) == ["lost: published, but no memory knows it"]


def test_a_run_is_not_settled_while_frames_are_on_their_way():
    assert not is_settled({"cam": 25}, [stream()])
    assert not is_settled({"cam": 20}, [stream(frames_applied=7)])
    assert not is_settled({"cam": 20, "late": 1}, [stream()])


def test_the_report_says_when_words_mean_nothing():
    made = build_report(model="hermes-tiny-random", published={"cam": 20}, streams=[stream()], exchanges=[], wall_s=1.0)
    assert "mean nothing" in made["note"]
    assert made["streams"][0]["frames_published"] == 20
    assert made["streams"][0]["frames_selected"] == 8
