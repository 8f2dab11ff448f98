"""An answer in progress: which seat it has, what it reads next, and what it has said so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from hermes_ray.engine.answering.seats.reading import Reading
from hermes_ray.engine.answering.tokens.options import Branches
from hermes_ray.engine.answering.tokens.stop_texts import StoppingText
from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.engine.contracts import Answer, FrameEvidence, UnknownWords
from hermes_ray.engine.residency.capture_times import CaptureTimes


@dataclass(slots=True, eq=False)
class AnswerInProgress:
    """A question that has a seat.

    Attributes:
        job: the question.
        seat: its private copy of the memory.
        reading: what it reads in the next pass.
        branches: its options, as many at a time as a pass holds; the first are part of the first reading.
        text: what was said.
        generator: draws its tokens; ``None`` where the likeliest is taken.
        as_of_ms: capture time of the newest frame that it sees, ms since epoch.
        captured: when the frames that it sees were captured.
        frames_seen: frames that the memory had seen.
        prompt_tokens: tokens of the question with its template.
        notes: that stand before the question.
        unknown_words: of the question.
        tokens: what was said, as token ids.
        ttft_ms: from receipt to the first token, milliseconds.
        newest_token_s: ``perf_counter`` at the newest token; ``None`` before the first.
        option_probabilities: of each option, once they are known.
        ended: the reason, once the answer is complete (:attr:`Answer.finish_reason`).
    """

    job: QuestionJob
    seat: int
    reading: Reading
    branches: list[Branches]
    text: StoppingText
    generator: torch.Generator | None
    as_of_ms: int
    captured: CaptureTimes
    frames_seen: int
    prompt_tokens: int
    notes: tuple[str, ...] = ()
    unknown_words: UnknownWords | None = None
    tokens: list[int] = field(default_factory=list)
    ttft_ms: float = 0.0
    newest_token_s: float | None = None
    option_probabilities: Sequence[float] = ()
    ended: str | None = None

    def answer(self, evidence: tuple[FrameEvidence, ...]) -> Answer:
        """The complete answer, and what it rests on."""
        assert self.ended is not None, "only a complete answer is one"
        return Answer(
            text=self.text.text,
            as_of_ms=self.as_of_ms,
            frames_seen=self.frames_seen,
            ttft_ms=self.ttft_ms,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=len(self.tokens),
            finish_reason=self.ended,
            evidence=tuple(replace(item, captured_ms=self.captured.of(item.frame)) for item in evidence),
            option_probabilities=tuple(self.option_probabilities),
            notes=self.notes,
            unknown_words=self.unknown_words,
        )
