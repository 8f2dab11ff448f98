"""An engine whose streams all have memories as endless streams have them: full, and compacted at different times."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Literal

from hermes_ray.bench.engine.subject import Subject
from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine import AnswerStream, Question, StreamEngine
from hermes_ray.engine.answering.waiting.question_job import AnswerEvent
from hermes_ray.engine.contracts import StreamStats

LIMIT_S = 300.0
"""Nothing that is measured may take longer."""
_PHASES = 4
_LOADERS = 4
"""Snapshots that are read side by side: half a gigabyte each at the 7B shape."""
_INTERVAL_MS = 500
_FRAMES_WAITING = 8192


class Watched:
    """Streams of an engine, numbered from 0. One is grown, and all begin with what it was.

    Args:
        subject: model and pictures.
        settings: of the engine.
        streams: how many.
        grown: from :attr:`grown` of another engine of the same subject; ``None`` grows one.
        unchanged_patches: as ``memory.unchanged_patches``.

    Attributes:
        engine: to be closed by its owner, by :meth:`close`.
        settings: of the engine.
        started_s: how long the engine took to start, seconds.
        cycle: frames of a stream from one compaction to the next.
        grown: snapshots of one stream at moments evenly spread over such a cycle.
    """

    def __init__(
        self,
        subject: Subject,
        settings: EngineSettings,
        streams: int,
        grown: Sequence[bytes] | None = None,
        *,
        unchanged_patches: Literal["keep", "drop"] = "keep",
    ) -> None:
        memory = MemorySettings(
            budget_tokens=subject.budget, slots=streams, host_streams=0, unchanged_patches=unchanged_patches
        )
        block = subject.adapter.max_tokens_per_block
        freed = int(memory.compaction_slack * subject.budget)
        self.subject, self.settings = subject, settings
        self.cycle = (freed // block + 1) * subject.adapter.frames_per_block
        self.streams = streams
        began_s = perf_counter()
        self.engine = StreamEngine(subject.adapter, memory, settings)
        self.started_s = perf_counter() - began_s
        self._shown = [0] * streams
        self._asked = 0
        try:
            self.grown = list(grown or self._grow())
            with ThreadPoolExecutor(_LOADERS) as pool:
                list(pool.map(self._begin, range(streams)))
        except Exception:
            self.engine.close()
            raise

    def close(self) -> None:
        """End the engine."""
        self.engine.close()

    def show(self, stream: int, frames: int = 1) -> Future[StreamStats]:
        """Hand over a stream's next frames."""
        first = self._shown[stream]
        self._shown[stream] += frames
        numbers = range(first, first + frames)
        pictures = self.subject.pictures
        images = [pictures[number % len(pictures)] for number in numbers]
        return self.engine.ingest(_name(stream), images, [number * _INTERVAL_MS for number in numbers])

    def show_all(self) -> list[Future[StreamStats]]:
        """Hand over the next frame of every stream."""
        return [self.show(stream) for stream in range(self.streams)]

    def ask(self, stream: int, tokens: int = 1, on_event: Callable[[AnswerEvent], None] | None = None) -> AnswerStream:
        """Ask about a stream; an answer has so many tokens, unless a real model ends it before."""
        return self.engine.ask(_name(stream), Question(self.subject.question, max_tokens=tokens), on_event)

    def next_stream(self) -> int:
        """Streams in turn: by the time that one is asked again, no seat holds its memory any more."""
        self._asked += 1
        return self._asked % self.streams

    def compactions(self) -> int:
        """Of all streams so far."""
        return sum(self.engine.stream_stats(_name(stream)).compactions for stream in range(self.streams))

    def left_out(self) -> int:
        """Tokens of all streams that were not encoded so far, as they showed nothing new."""
        return sum(self.engine.stream_stats(_name(stream)).tokens_left_out for stream in range(self.streams))

    def tokens(self) -> float:
        """That a layer of a stream holds, on average."""
        held = [self.engine.stream_stats(_name(stream)).kv_tokens_per_layer[0] for stream in range(self.streams)]
        return sum(held) / len(held)

    def _grow(self) -> list[bytes]:
        blocks = self.subject.budget // self.subject.adapter.max_tokens_per_block + 1
        state = self.show(0, blocks * self.subject.adapter.frames_per_block).result(LIMIT_S)
        while state.compactions == 0:  # frames of this size are fewer tokens than the most there may be
            state = self.show(0, self.cycle).result(LIMIT_S)
        phases = max(1, min(_PHASES, self.cycle // 2))  # so that there are steps in which nobody is compacted
        grown = []
        for phase in range(phases):
            frames = (phase + 1) * self.cycle // phases - phase * self.cycle // phases
            self.show(0, frames).result(LIMIT_S)
            grown.append(self.engine.snapshot(_name(0)))
        self.engine.drop(_name(0))
        return grown

    def _begin(self, stream: int) -> None:
        self.engine.restore(_name(stream), self.grown[stream % len(self.grown)])
        self._shown[stream] = self.engine.stream_stats(_name(stream)).frames_seen


def _name(stream: int) -> str:
    return f"camera-{stream}"


def engine_settings(**settings: object) -> EngineSettings:
    """As shipped, but that any number of frames may wait."""
    return EngineSettings.model_validate({"max_frames_waiting": _FRAMES_WAITING, **settings})
