"""Gives questions their seats: a private copy of the memory that each is about, and what it reads there first."""

from dataclasses import replace

from hermes_ray.config import EngineSettings
from hermes_ray.engine.answering.in_progress import AnswerInProgress
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Preview, Reading
from hermes_ray.engine.answering.tokens.options import cut
from hermes_ray.engine.answering.tokens.prompts import Prompts
from hermes_ray.engine.answering.tokens.sampling import new_generator
from hermes_ray.engine.answering.tokens.sessions import Sessions
from hermes_ray.engine.answering.tokens.stop_texts import StoppingText
from hermes_ray.engine.answering.tokens.text import TextStream
from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.residency.stream_memory import slot_of
from hermes_ray.models import ModelAdapter


class Seating:
    """For one engine. Belongs to its thread.

    Args:
        adapter: the model.
        writer: of the memories.
        ingest: has the memories.
        copies: the seats.
        sessions: the conversations.
        settings: the limits of questions.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        writer: MemoryWriter,
        ingest: FrameIngest,
        copies: AnswerSlab,
        sessions: Sessions,
        settings: EngineSettings,
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._ingest = ingest
        self._copies = copies
        self._prompts = Prompts(adapter, sessions, settings)

    def seat(self, job: QuestionJob) -> AnswerInProgress:
        """Seat a question; the caller has checked that there is a seat.

        Raises:
            HermesError: it cannot be asked, or not of that stream.
        """
        memory, as_of_ms = self._ingest.memory(job.stream_id)
        prompt, notes = self._prompts.build(job.stream_id, job.question)
        options = tuple(self._adapter.ids(option) for option in job.question.options)
        generator = new_generator(job.question.seed) if job.question.temperature > 0 else None
        preview = self._writer.preview(memory)
        seat = self._copies.copy(self._writer.slab, slot_of(memory), memory.version)
        asked = Reading(
            seat, prompt, preview=None if preview is None else Preview(*preview, frame=memory.held_back[0].number)
        )
        branches = cut(options, self._copies.room(seat) - asked.tokens)
        return AnswerInProgress(
            job=job,
            seat=seat,
            reading=replace(asked, branches=branches[0]),
            branches=branches,
            text=StoppingText(TextStream(self._adapter.tokenizer), job.question.stop),
            generator=generator,
            as_of_ms=as_of_ms,
            captured=memory.captured.frozen(),
            frames_seen=memory.frames_seen,
            prompt_tokens=prompt.shape[0],
            notes=notes,
            unknown_words=self._prompts.unknown_words(job.question),
        )
