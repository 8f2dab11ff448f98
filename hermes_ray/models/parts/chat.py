"""The text around a video: a model's chat template cut open where the video stands, and what ends an answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from hermes_ray.errors import InvalidQuestion, UnsupportedModel

# Characters that no template contains, standing for a question, its answer, a second question, and instructions.
_QUESTION, _ANSWER, _NEXT, _SYSTEM = "\u241e", "\u241f", "\u241d", "\u241c"


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of the conversation so far, and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class ChatParts:
    """The fixed text around a video, the questions about it and their answers.

    Attributes:
        before_video: system prompt and the beginning of the user's turn.
        before_question: between the video and the first question.
        before_answer: between a question and an answer that was given.
        before_next: between an answer that was given and the next question.
        after_question: from the last question to where its answer begins.
    """

    before_video: str
    before_question: str
    before_answer: str
    before_next: str
    after_question: str
    around_system: tuple[str, str] | None
    """Between the video and a system turn, and between that and the first question; ``None``: there is no such turn.
    The memory begins with the template's own system prompt, so another can only stand behind the video."""

    def behind_video(self, question: str, history: Sequence[Turn] = (), instructions: str | None = None) -> str:
        """Everything behind the video: the conversation so far, the question, the start of the assistant's turn.

        Raises:
            InvalidQuestion: there are instructions, and the template has no place for them.
        """
        past = "".join(turn.question + self.before_answer + turn.answer + self.before_next for turn in history)
        return self._before_first(instructions) + past + question + self.after_question

    def _before_first(self, instructions: str | None) -> str:
        if instructions is None:
            return self.before_question
        if self.around_system is None:
            raise InvalidQuestion(
                "messages: the model's chat template has no system turn behind a video; "
                "write the instructions into the user's message"
            )
        before, after = self.around_system
        return before + instructions + after


def split_template(tokenizer: PreTrainedTokenizerBase, video_token_id: int) -> ChatParts:
    """Render the tokenizer's chat template around one video and one question, and cut it there.

    Tokens that the template puts directly around the video stay where they are: what opens it ends the prefix, what
    closes it begins the question, for a live video has no last frame.

    Raises:
        UnsupportedModel: there is no template, or it does not put a video before the text.
    """
    if not tokenizer.chat_template:
        raise UnsupportedModel("the model's tokenizer has no chat template")
    video_token = tokenizer.convert_ids_to_tokens(video_token_id)
    assert isinstance(video_token, str)
    conversation = [
        _turn("user", _QUESTION, video=True),
        _turn("assistant", _ANSWER),
        _turn("user", _NEXT),
    ]
    parts = _cut(tokenizer, conversation, (video_token, _QUESTION, _ANSWER, _NEXT))
    if parts is None:
        raise UnsupportedModel(
            f"the model's chat template does not put one {video_token} before the question, and turns in their order"
        )
    return ChatParts(*parts, around_system=_around_system(tokenizer, video_token, parts))


def _around_system(
    tokenizer: PreTrainedTokenizerBase, video_token: str, plain: Sequence[str]
) -> tuple[str, str] | None:
    conversation = [
        _turn("user", "", video=True),
        _turn("system", _SYSTEM),
        _turn("user", _QUESTION),
    ]
    try:
        parts = _cut(tokenizer, conversation, (video_token, _SYSTEM, _QUESTION))
    except (TemplateError, TypeError):  # how templates refuse a role, an order of turns, or a content in parts
        return None
    if parts is None:
        return None
    before_video, before_system, before_question, after_question = parts
    if (before_video, after_question) != (plain[0], plain[-1]):  # the memories begin otherwise
        return None
    return before_system, before_question


def _turn(role: str, text: str, *, video: bool = False) -> dict[str, Any]:
    content = [{"type": "text", "text": text}] if text else []
    return {"role": role, "content": [{"type": "video"}, *content] if video else content}


def _cut(
    tokenizer: PreTrainedTokenizerBase, conversation: list[dict[str, Any]], cuts: Sequence[str]
) -> list[str] | None:
    """The text between the cuts; ``None`` if they do not all appear once, in their order."""
    rendered = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    assert isinstance(rendered, str)
    if any(rendered.count(cut) != 1 for cut in cuts) or sorted(cuts, key=rendered.index) != list(cuts):
        return None
    return re.split("|".join(map(re.escape, cuts)), rendered)


def stop_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that end an answer: those of the model's generation settings and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if isinstance(i, int))
