"""Questions as what the model reads: the template around them, and the conversation before them."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.engine.contracts import Question, UnknownWords
from hermes_ray.errors import InvalidQuestion
from hermes_ray.models import ModelAdapter, Turn
from hermes_ray.models.parts.vocabulary import nearest

_NOTES = "Notes of earlier:"


class Prompts:
    """Builds prompts within the engine's limits.

    Args:
        adapter: the model, with its template and tokenizer.
        sessions: the conversations so far.
        settings: the limits.
    """

    def __init__(self, adapter: ModelAdapter, sessions: Sessions, settings: EngineSettings) -> None:
        self._adapter = adapter
        self._sessions = sessions
        self._max_tokens = settings.max_question_tokens
        self._max_answer_tokens = settings.max_answer_tokens
        self._control_tokens = _control_tokens(adapter.tokenizer)

    @torch.inference_mode()
    def build(self, stream_id: str, question: Question) -> tuple[Tensor, tuple[str, ...]]:
        """The question with as much of its notes and its conversation as fits.

        Of both the newest stay; notes go first. A note with a control token is left out: who asks has not written it.

        Returns:
            ``[tokens, hidden]``, and the notes that are in it.

        Raises:
            InvalidQuestion: it is too long by itself or with the conversation that was given with it, or brings
                instructions that the template cannot hold; an option is too long; or one of them forges the template's
                control tokens.
        """
        self._check_control_tokens("question", (question.text,))
        self._check_control_tokens("messages", (question.instructions or "", *chain.from_iterable(question.history)))
        self._check_options(question)
        history = self._sessions.history(stream_id, question.session_id)
        notes = tuple(note for note in question.notes if not any(token in note for token in self._control_tokens))
        while (prompt := self._render(question, notes, history)).shape[0] > self._max_tokens:
            if notes:
                notes = notes[1:]
                continue
            if not history:
                alone = not question.history and question.instructions is None
                what = "question: has" if alone else "messages: the question and the conversation before it have"
                raise InvalidQuestion(
                    f"{what} {prompt.shape[0]} tokens with its template; "
                    f"at most {self._max_tokens} are allowed (engine.max_question_tokens)"
                )
            history = history[1:]
        return prompt, notes

    def _render(self, question: Question, notes: Sequence[str], history: Sequence[Turn]) -> Tensor:
        given = (Turn(*turn) for turn in question.history)
        noted = "\n".join((_NOTES, *notes, "", question.text)) if notes else question.text
        return self._adapter.question(noted, (*history, *given), question.instructions)

    def _check_control_tokens(self, field: str, texts: Sequence[str]) -> None:
        for text in texts:
            if forged := [token for token in self._control_tokens if token in text]:
                raise InvalidQuestion(f"{field}: contains the model's control token {forged[0]!r}")

    def _check_options(self, question: Question) -> None:
        for option in question.options:
            # In a session the chosen option becomes a turn of the conversation.
            self._check_control_tokens("options", (option,))
            tokens = len(self._adapter.ids(option))
            if not 1 <= tokens <= self._max_answer_tokens:
                raise InvalidQuestion(
                    f"options: {option!r} has {tokens} tokens; "
                    f"1 to {self._max_answer_tokens} are allowed (engine.max_answer_tokens)"
                )

    def unknown_words(self, question: Question) -> UnknownWords | None:
        """What of a question the model has no words for, and what it can be asked; ``None`` if it knows them all."""
        words = self._adapter.unknown_words(question.text, *question.options)
        return UnknownWords(words, nearest(self._adapter.examples, question.text)) if words else None


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Texts that the tokenizer turns into special tokens: in a question they could end a turn and begin another."""
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted(special | set(tokenizer.all_special_tokens)))
