"""How questions and answers travel between a caller and a memory worker.

A caller, one router process as a rule, hands its questions in one by one and fetches what all of its answers have to
say together: one message for a whole step of the engine, however many answers got a token in it.
"""

from dataclasses import dataclass

from hermes_ray.engine.contracts import Answer, AnswerToken, Question
from hermes_ray.errors import HermesError

FETCH_WAIT_S = 1.0
"""How long a fetch waits for news before it comes back empty, seconds."""

SILENT_CALLER_S = 10.0
"""A caller with open answers that has not fetched for so long is gone, and its answers are cancelled, seconds. Well
above what a router that serves hundreds of askers on a busy machine needs between two fetches."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way to the worker that owns its stream.

    Attributes:
        answer_id: the caller's number for it, never used twice.
        epoch: the owner's epoch as the caller knows it.
        streamed: tokens are wanted as they come; otherwise only the complete answer travels.
    """

    answer_id: int
    stream_id: str
    epoch: int
    question: Question
    streamed: bool


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """What one answer has to say since the last fetch.

    Attributes:
        answer_id: which.
        tokens: in order; none of an answer that is not streamed.
        end: the complete answer, or why there is none; ``None`` while it goes on.
    """

    answer_id: int
    tokens: tuple[AnswerToken, ...]
    end: Answer | HermesError | None
