"""What is no standing question, and what is said of it."""

import pytest
from pydantic import ValidationError

from hermes_ray.config import StandingQuestion, load
from hermes_ray.errors import ConfigError


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "Front Gate"}, "name"),
        ({"name": "journal"}, "choose another name"),
        ({"question": "  "}, "question"),
        ({"options": ["yes"]}, "options"),
        ({"options": ["yes", "yes"]}, "give each once"),
        ({"fires": ["maybe"]}, "fires: 'maybe' is none of the options yes, no"),
        ({"fires": ["yes", "no"]}, "leave one out"),
        ({"every_s": 5, "every_frames": 10}, "remove one"),
        ({"every_s": 0}, "every_s"),
        ({"fire_at": 0.4, "clear_at": 0.5}, "clear_at: 0.5 is above fire_at 0.4"),
        ({"fire_at": float("nan")}, "fire_at"),
        ({"streams": []}, "streams"),
        ({"streams": ["gate 1"]}, "streams"),
        ({"quiet": [{"begins": 1320, "ends": "06:00"}]}, "write it in quotes"),
        ({"quiet": [{"begins": "22:00", "ends": "22:00"}]}, "mute it"),
        ({"quiet": [{"begins": "22:00", "ends": "06:00", "zone": "Mars/Olympus"}]}, "no time zone 'Mars/Olympus'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        StandingQuestion.model_validate({"name": "gate", "question": "is somebody there?", **fields})
    assert said in str(refused.value)


def test_defaults_are_a_yes_or_no_question_every_five_seconds() -> None:
    question = StandingQuestion(name="gate", question="is somebody there?")
    assert (question.options, question.firing, question.period_s) == (("yes", "no"), ("yes",), 5.0)


def test_settings_name_the_one_that_is_wrong() -> None:
    gate = {"name": "gate", "question": "is somebody there?"}
    with pytest.raises(ConfigError, match=r"standing\.questions\.1.*fires"):
        load(overrides={"standing": {"questions": [gate, {**gate, "name": "b", "fires": ["x"]}]}})
    with pytest.raises(ConfigError, match="two are called 'gate'"):
        load(overrides={"standing": {"questions": [gate, gate]}})
