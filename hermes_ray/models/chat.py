"""The text around a video: a model's chat template cut open where the video stands, and what ends an answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from hermes_ray.errors import UnsupportedModel

# Characters that no template contains, standing for a question, its answer, and a second question.
_QUESTION, _ANSWER, _NEXT = "\u241e", "\u241f", "\u241d"


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

    def behind_video(self, question: str, history: Sequence[Turn] = ()) -> str:
        """Everything behind the video: the conversation so far, the question, the start of the assistant's turn."""
        past = "".join(turn.question + self.before_answer + turn.answer + self.before_next for turn in history)
        return self.before_question + past + question + self.after_question


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
    conversation: Any = [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": _QUESTION}]},
        {"role": "assistant", "content": [{"type": "text", "text": _ANSWER}]},
        {"role": "user", "content": [{"type": "text", "text": _NEXT}]},
    ]
    rendered = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    assert isinstance(rendered, str)
    cuts = (video_token, _QUESTION, _ANSWER, _NEXT)
    if any(rendered.count(cut) != 1 for cut in cuts) or sorted(cuts, key=rendered.index) != list(cuts):
        raise UnsupportedModel(
            f"the model's chat template does not put one {video_token} before the question, and turns in their order"
        )
    parts = re.split("|".join(map(re.escape, cuts)), rendered)
    before_video, before_question, before_answer, before_next, after_question = parts
    return ChatParts(before_video, before_question, before_answer, before_next, after_question)


def stop_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that end an answer: those of the model's generation settings and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if isinstance(i, int))
