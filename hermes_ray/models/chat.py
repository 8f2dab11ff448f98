"""The text around a video: a model's chat template cut open where the video stands, and what ends an answer."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from hermes_ray.errors import UnsupportedModel

_MARK = "\u241e"  # a character that no template contains, standing for the question


@dataclass(frozen=True, slots=True)
class ChatParts:
    """The fixed text around a video and its question.

    Attributes:
        before_video: system prompt and the beginning of the user's turn.
        before_question: between the video and the question.
        after_question: the end of the user's turn, up to where the answer begins.
    """

    before_video: str
    before_question: str
    after_question: str


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
    conversation: Any = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": _MARK}]}]
    rendered = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    assert isinstance(rendered, str)
    if rendered.count(video_token) != 1 or rendered.count(_MARK) != 1:
        raise UnsupportedModel(f"the model's chat template does not hold one {video_token} and the question's text")
    before_video, behind = rendered.split(video_token)
    if _MARK not in behind:
        raise UnsupportedModel("the model's chat template puts the question before the video")
    before_question, after_question = behind.split(_MARK)
    return ChatParts(before_video, before_question, after_question)


def stop_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids that end an answer: those of the model's generation settings and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if isinstance(i, int))
