"""Where a chat template has room for instructions, and what happens where it has none."""

import pytest

from hermes_ray.errors import InvalidQuestion
from hermes_ray.models.parts.chat import Turn, split_template
from tests.unit.models.families import CHAT_TEMPLATE, VOCABULARY, build_tokenizer

VIDEO = VOCABULARY["<|video_pad|>"]


def test_instructions_are_a_system_turn_behind_the_video():
    parts = split_template(build_tokenizer(), VIDEO)
    assert parts.before_video.startswith("<|im_start|>system\nyou are helpful .")
    assert parts.behind_video("who came ?", [Turn("what is it ?", "a dog .")], "you are a dog .") == (
        "<|vision_end|><|im_end|>\n<|im_start|>system\nyou are a dog .<|im_end|>\n"
        "<|im_start|>user\nwhat is it ?<|im_end|>\n<|im_start|>assistant\na dog .<|im_end|>\n"
        "<|im_start|>user\nwho came ?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    "no_system",
    [
        "{% for m in messages if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endfor %}",
        "{% set messages = messages | rejectattr('role', 'equalto', 'system') | list %}",
    ],
    ids=["refuses", "leaves out"],
)
def test_a_template_without_system_turns_answers_but_takes_no_instructions(no_system: str):
    tokenizer = build_tokenizer()
    with_system = split_template(tokenizer, VIDEO)
    tokenizer.chat_template = no_system + CHAT_TEMPLATE
    parts = split_template(tokenizer, VIDEO)
    assert parts.behind_video("who ?") == with_system.behind_video("who ?")
    with pytest.raises(InvalidQuestion, match="messages: the model's chat template has no system turn"):
        parts.behind_video("who ?", (), "you are a dog .")
