"""Watching a video with an engine: a memory that runs along, or one that is made of the last frames at a question."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from hermes_ray.bench.batches import batches
from hermes_ray.bench.public.contenders import Contender
from hermes_ray.config import EngineSettings
from hermes_ray.engine import Answer, Question, StreamEngine
from hermes_ray.models import ModelAdapter
from hermes_ray.video.frame import Frame

_SEATS = 4
_FRAMES_PER_STEP = 16
_QUESTION_TOKENS = 2048  # the longest published prompt is a few hundred
_STREAM = "video"


class Watcher(Protocol):
    """One contender's view of the video that runs."""

    def show(self, frames: Sequence[Frame]) -> None:
        """Take the next frames; returns when they can be asked about."""
        ...

    def ask(self, questions: Sequence[Question]) -> tuple[list[Answer], int]:
        """Answer what is asked now; also returns how many visual tokens each layer held."""
        ...

    def forget(self) -> None:
        """Be ready for the next video."""
        ...


class Running:
    """A memory that sees every frame once, as it comes.

    Args:
        engine: of this contender alone.
    """

    def __init__(self, engine: StreamEngine) -> None:
        self._engine = engine

    def show(self, frames: Sequence[Frame]) -> None:
        """Show them to the memory."""
        _ingest(self._engine, frames)

    def ask(self, questions: Sequence[Question]) -> tuple[list[Answer], int]:
        """Ask the memory as it is."""
        return _ask(self._engine, questions)

    def forget(self) -> None:
        """Drop the memory."""
        if _STREAM in self._engine.streams():  # not if the video had no frame to show
            self._engine.drop(_STREAM)


class Looking:
    """No memory between questions: each moment's questions are asked of one that the last frames alone have made.

    Args:
        engine: of this contender alone.
        last_frames: how many frames, at most.
        last_seconds: how much video time, at most.
    """

    def __init__(self, engine: StreamEngine, last_frames: int | None, last_seconds: float | None) -> None:
        self._engine = engine
        self._frames: deque[Frame] = deque(maxlen=last_frames)
        self._span_ms = None if last_seconds is None else 1000 * last_seconds

    def show(self, frames: Sequence[Frame]) -> None:
        """Remember the pictures that may still be needed."""
        self._frames.extend(frames)
        while self._span_ms is not None and self._frames[-1].ts_ms - self._frames[0].ts_ms >= self._span_ms:
            self._frames.popleft()

    def ask(self, questions: Sequence[Question]) -> tuple[list[Answer], int]:
        """Ask a memory that has seen the last frames and nothing else."""
        for some in batches(self._frames, _FRAMES_PER_STEP):
            _ingest(self._engine, some)
        answers = _ask(self._engine, questions)
        self._engine.drop(_STREAM)
        return answers

    def forget(self) -> None:
        """Forget the pictures."""
        self._frames.clear()


def engine_for(contender: Contender, adapter: ModelAdapter, max_tokens: int) -> StreamEngine:
    """An engine with this contender's memory, and room for the longest prompt and answer.

    Raises:
        ConfigError: the budget does not fit the model.
    """
    limits = EngineSettings(
        max_frames_per_step=_FRAMES_PER_STEP,
        max_questions=_SEATS,
        max_question_tokens=_QUESTION_TOKENS,
        max_answer_tokens=max_tokens,
    )
    return StreamEngine(adapter, contender.memory, limits)


def watcher_for(contender: Contender, engine: StreamEngine) -> Watcher:
    """The contender's way to watch."""
    if contender.last_frames is None and contender.last_seconds is None:
        return Running(engine)
    return Looking(engine, contender.last_frames, contender.last_seconds)


def _ingest(engine: StreamEngine, frames: Sequence[Frame]) -> None:
    engine.ingest(_STREAM, [frame.image for frame in frames], [frame.ts_ms for frame in frames]).result()


def _ask(engine: StreamEngine, questions: Sequence[Question]) -> tuple[list[Answer], int]:
    answers = []
    for some in batches(questions, _SEATS):
        asked = [engine.ask(_STREAM, question) for question in some]
        answers += [stream.result() for stream in asked]
    stats = engine.stream_stats(_STREAM)
    return answers, stats.kv_tokens_per_layer[0] - stats.kv_prefix
