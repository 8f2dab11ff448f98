"""What a model understands: warnings about questions that it does not, and examples of those that it does."""

from typing import Literal, Self

from hermes_ray.api.schemas.base import Schema
from hermes_ray.engine.contracts import Answer


class AnswerWarning(Schema):
    """Why an answer may mean nothing."""

    code: Literal["unknown-words"] = "unknown-words"
    """What is wrong, for programs: the model has no word for parts of the question."""
    message: str
    """The same for people."""
    words: list[str]
    """Those words, as they stand in the question or its options."""
    examples: list[str]
    """Three questions that the model does understand, those nearest to this one."""

    @classmethod
    def of(cls, answer: Answer) -> list[Self]:
        """The warnings of an engine's answer."""
        unknown = answer.unknown_words
        if unknown is None:
            return []
        named = ", ".join(repr(word) for word in unknown.words)
        message = f"the model does not know the words {named}: its answer may mean nothing"
        return [cls(message=message, words=list(unknown.words), examples=list(unknown.examples))]


class ExamplesResponse(Schema):
    """Questions that the model of a stream understands."""

    stream: str
    """The stream's id."""
    examples: list[str]
    """The questions, those first that a person would ask first."""
