"""``StreamEngine``: many streams and their questions on one device, usable from any thread, without Ray or Kafka."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any, Self

from hermes_ray.config import EngineSettings, MemorySettings, VideoSettings
from hermes_ray.engine.answering.answer_stream import AnswerStream
from hermes_ray.engine.answering.batch import AnswerBatch
from hermes_ray.engine.answering.waiting.places import QuestionPlaces
from hermes_ray.engine.answering.waiting.question_job import AnswerEvent, check_question
from hermes_ray.engine.capturing import Capturing, capture_passes, default_capturing
from hermes_ray.engine.commands import CommandQueue
from hermes_ray.engine.contracts import Answer, EngineStats, FramePicture, MemoryMap, Question, StreamStats
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.memory_map import draw
from hermes_ray.engine.encoding.snapshots.foreign import load_foreign
from hermes_ray.engine.encoding.waiting.change import ChangeDetector
from hermes_ray.engine.encoding.waiting.preparing import FramePreparation, Picture, ThumbnailMaker
from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.engine.monitoring import EngineMonitor
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.errors import (
    EngineClosed,
    EngineError,
    EngineFailed,
    Overloaded,
    UnknownStream,
)
from hermes_ray.memory import snapshot as snapshot_format
from hermes_ray.models import ModelAdapter, load
from hermes_ray.observability.stats import EngineCounts, EngineState


class StreamEngine:
    """Watches many streams and answers questions about each, on one device.

    All model work happens in one thread of its own. Each step first serves questions (new ones get their first
    token, all answers in progress one more, in one pass), then encodes frames for a bounded time, so that the time to
    first token stays bounded under full ingest load. Background questions are read in what time these leave, in pieces
    between which others go first. Public methods may be called from any thread.

    Args:
        adapter: the model.
        memory: policy, budget and slots.
        engine: step sizes and queues.
        capturing: how passes are captured; by default as CUDA graphs, where the settings and the device allow it.
        on_progress: is told what takes time at the start, for people.
        thumbnail: makes the JPEG thumbnail of a picture, in the thread that calls :meth:`ingest`; without it none are
            kept.
        video: which frames are encoded (``unchanged``, ``max_gap_s``); the rest of it is for those who decode.

    Raises:
        ConfigError: the settings do not fit the model.
        GraphMismatch: a captured pass computes something else than the eager one.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        memory: MemorySettings | None = None,
        engine: EngineSettings | None = None,
        *,
        capturing: Capturing | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
        thumbnail: ThumbnailMaker | None = None,
        video: VideoSettings | None = None,
    ) -> None:
        self._settings = engine or EngineSettings()
        self._memory_settings = memory or MemorySettings()
        if thumbnail is None:
            self._memory_settings = self._memory_settings.model_copy(update={"thumbnail_bytes": 0})
        self.adapter = adapter
        text_tokens = self._settings.max_question_tokens + self._settings.max_answer_tokens
        self._writer = MemoryWriter(adapter, self._memory_settings, text_tokens)
        video = video or VideoSettings()
        detector = _detector(video)
        self._preparation = FramePreparation(
            adapter,
            thumbnail if self._memory_settings.thumbnail_bytes else None,
            compared=detector is not None,
        )
        sieve = PatchSieve(adapter, video.max_gap_s) if self._memory_settings.unchanged_patches == "drop" else None
        scheduler = FrameScheduler(self._settings.max_frames_per_step)
        self._ingest = FrameIngest(adapter, self._writer, scheduler, detector, sieve)
        self._answers = AnswerBatch(adapter, self._writer, self._ingest, self._settings)
        passes = PassCounts()
        capturing = capturing or default_capturing(self._settings, self._writer.slab)
        if capturing is not None:
            capture_passes(
                adapter, self._writer, self._ingest, self._answers, self._settings, capturing, passes, on_progress
            )
        self._monitor = EngineMonitor(adapter, self._writer, self._ingest, self._answers, passes)
        self._commands = CommandQueue()
        self._frames_promised = 0
        self._question_places = QuestionPlaces(self._settings)
        self._thread = Thread(target=self._run, name="hermes-engine", daemon=True)
        self._thread.start()

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        memory: MemorySettings | None = None,
        engine: EngineSettings | None = None,
        video: VideoSettings | None = None,
        device: str = "auto",
        dtype: str = "auto",
        revision: str | None = None,
        max_pixels_per_frame: int | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
        thumbnail: ThumbnailMaker | None = None,
    ) -> Self:
        """Load a model (:func:`hermes_ray.models.load`) and build an engine around it."""
        adapter = load(
            name_or_path,
            device=device,
            dtype=dtype,
            revision=revision,
            max_pixels_per_frame=max_pixels_per_frame,
            on_progress=on_progress,
        )
        return cls(adapter, memory, engine, on_progress=on_progress, thumbnail=thumbnail, video=video)

    def ingest(self, stream_id: str, images: Sequence[Picture], ts_ms: Sequence[int]) -> Future[StreamStats]:
        """Show frames to a stream's memory; the first ones begin it. Calls for one stream must come in order.

        Args:
            stream_id: any name.
            images: ``[height, width, 3]`` uint8 RGB each, any size; or, with what :meth:`reference` gives, frames that
                were compared before, by the same rule, and need no image if they show nothing new.
            ts_ms: capture times, ms since epoch, one per image.

        Returns:
            Resolves when all are in the memory and can be asked about. Fails with ``NoFreeSlot``, ``MemoryFull``,
            ``PictureMissing`` (one without its image was compared with another frame; nothing was taken), or
            ``FramesFailed``: something unexpected went wrong with these frames or others of the stream before them. The
            memory then holds so many of them as the error says, and takes more.

        Raises:
            Overloaded: too many frames wait already; nothing was taken, try again.
            UnsupportedMedia: a picture of a shape that the model cannot take; nothing was taken.
            FramesFailed: a picture cannot be prepared, unexpectedly; nothing was taken.
            EngineClosed: the engine is shutting down.
        """
        if len(images) != len(ts_ms):
            raise ValueError(f"{len(images)} images and {len(ts_ms)} capture times")
        batch = self._preparation.batch(images, ts_ms)
        with self._commands.lock:
            if self._frames_promised + len(images) > self._settings.max_frames_waiting and self._frames_promised > 0:
                raise Overloaded(
                    f"{self._frames_promised} frames wait already (engine.max_frames_waiting)", retry_after_s=0.1
                )
            self._frames_promised += len(images)
            self._commands.submit(lambda: self._ingest.enqueue(stream_id, batch))
        batch.applied.add_done_callback(lambda _: self._frames_done(len(images)))
        return batch.applied

    def ask(
        self,
        stream_id: str,
        question: Question | str,
        on_event: Callable[[AnswerEvent], None] | None = None,
        *,
        background: bool = False,
        wants_evidence: Callable[[Answer], bool] | None = None,
    ) -> AnswerStream:
        """Ask about a stream. The answer rests on the frames applied when the question is seated.

        Args:
            stream_id: a stream that frames were shown of.
            question: what to ask; a plain string asks with the defaults of :class:`Question`.
            on_event: called from the engine's thread with every token, then the answer or an error; must not block.
            background: nobody waits for the answer. It takes no place of the questions that somebody waits for, and is
                answered when these, and frames, leave time for it; the caller bounds how many there are. Without
                ``as_of_ms``.
            wants_evidence: whether to find out what an answer rests on, given that answer without its evidence; by
                default always. Called from the engine's thread; must not block.

        Returns:
            The answer as it is written; errors found later (``UnknownStream``, a question too long) come out of it.

        Raises:
            InvalidQuestion: blank, or impossible parameters.
            Overloaded: too many questions wait already, or too many for a moment that has not come.
            EngineClosed: the engine is shutting down.
        """
        asked = Question(question) if isinstance(question, str) else question
        check_question(asked)
        stream = AnswerStream(stream_id, asked, on_event, background=background, wants_evidence=wants_evidence)
        if background:
            self._commands.submit(lambda: self._answers.submit(stream.job))
            return stream
        with self._commands.lock:
            self._question_places.take(stream_id, asked)
            self._commands.submit(lambda: self._answers.submit(stream.job), urgent=True)
        stream.outcome.add_done_callback(lambda _: self._question_done(stream_id, asked))
        return stream

    def streams(self) -> list[str]:
        """Streams with a memory, in the order in which they came."""
        return self._commands.call(self._ingest.streams)

    def stream_stats(self, stream_id: str) -> StreamStats:
        """The state of one stream.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        return self._commands.call(lambda: self._ingest.stats(stream_id))

    def reference(self, stream_id: str) -> Reference | None:
        """What the stream's next frame will be compared with; ``None`` if that one is encoded whatever it shows."""
        return self._commands.call(lambda: self._ingest.reference(stream_id))

    def memory_map(self, stream_id: str) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame. A stream that is parked is brought back.

        The engine's thread only copies off the device; the rest is work of the calling thread.

        Raises:
            UnknownStream: no frame of it was applied.
            SnapshotError: it was parked on disk and cannot be read back.
        """
        return draw(self._commands.call(lambda: self._ingest.held_tokens(stream_id)))

    def picture(self, stream_id: str, frame: int | None = None) -> FramePicture:
        """What a frame looked like: a thumbnail, kept for as long as the memory holds tokens of the frame.

        A stream that is parked on disk is brought back.

        Args:
            stream_id: a stream that frames were shown of.
            frame: its number in the stream, from 0; ``None`` for the newest.

        Raises:
            UnknownStream: no frame of it was applied.
            UnknownFrame: it has not come that far.
            FrameGone: there is no picture of that frame, any more or at all; says why.
            SnapshotError: the memory was parked on disk and cannot be read back.
        """
        return self._commands.call(lambda: self._ingest.picture(stream_id, frame))

    def snapshot(self, stream_id: str, extra: Mapping[str, Any] | None = None) -> bytes:
        """A stream as bytes: its memory, and all that it takes to go on as if nothing had happened.

        The state between two steps; frames that wait are not in it, conversations neither. The engine's thread only
        copies off the device; the rest is work of the calling thread.

        Args:
            stream_id: a stream that frames were shown of.
            extra: a small JSON object of the caller's, which :meth:`restore` gives back.

        Raises:
            UnknownStream: no frame of it was applied.
            TypeError: ``extra`` holds something that JSON does not.
        """
        cut = self._commands.call(lambda: self._ingest.cut(stream_id, extra or {}))
        return snapshot_format.dump(cut, self._writer.fingerprint)

    def restore(self, stream_id: str, data: bytes) -> dict[str, Any]:
        """Begin a stream with what :meth:`snapshot` returned, in this engine or another of the same model.

        Returns:
            The caller's ``extra``.

        Raises:
            SnapshotError: the bytes are damaged, of another model, too large for this engine's budget, or the stream
                has frames already. Nothing has changed then.
            NoFreeSlot: there is no room for another stream.
        """
        loaded = snapshot_format.load(data, self._writer.fingerprint)
        self._commands.call(lambda: self._ingest.restore(stream_id, loaded))
        return dict(loaded.extra["caller"])

    def check_memory(self, data: bytes) -> None:
        """Make sure that :meth:`restore` can begin a stream with bytes of any origin, and questions go on from there.

        Raises:
            SnapshotError: they are no snapshot, of another model or policy, too large, or hold what is no memory.
        """
        load_foreign(data, self._writer, self.adapter)

    def drop(self, stream_id: str) -> None:
        """Forget a stream and free its slot. Questions that wait for it, or for a seat, are refused with UnknownStream.

        Raises:
            UnknownStream: no frame of it was shown.
        """
        self._commands.call(lambda: self._drop(stream_id))

    def stats(self) -> EngineStats:
        """The state of the engine."""
        return self._commands.call(self._monitor.stats)

    @property
    def has_failed(self) -> bool:
        """Whether it has ended by itself, and answers everything with ``EngineFailed``."""
        return self._commands.has_failed

    def monitor(self) -> tuple[EngineCounts, EngineState]:
        """Counts and state after the last step, for metrics. Waits for nothing, not even for a running step."""
        return self._monitor.latest

    def close(self) -> None:
        """Stop. What waits is refused with ``EngineClosed``. Idempotent."""
        self._commands.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self, stream_id: str) -> None:
        self._ingest.drop(stream_id)
        self._answers.sessions.forget(stream_id)
        self._answers.refuse(stream_id, UnknownStream(f"stream {stream_id!r} was forgotten while the question waited"))

    def _frames_done(self, count: int) -> None:
        with self._commands.lock:
            self._frames_promised -= count

    def _question_done(self, stream_id: str, question: Question) -> None:
        with self._commands.lock:
            self._question_places.leave(stream_id, question)

    def _run(self) -> None:
        try:
            while self._commands.obey(self._has_work, self._seconds_to_deadline):
                self._monitor.answer_steps.run(self._answers.step)
                now_s = perf_counter()
                bound_s = self._answers.patience.bound_s(now_s, self._ingest.longest_wait_s(now_s))
                self._monitor.frame_steps.run(partial(self._ingest.step, bound_s))
                self._monitor.answer_steps.run_part(partial(self._answers.step_behind, self._commands))
                self._monitor.update()
        except Exception as error:
            failure = EngineFailed(f"the engine failed: {type(error).__name__}: {error}")
            self._commands.end(failure)
            self._abandon(failure)
            raise
        self._commands.end()
        self._abandon(EngineClosed("the engine was closed"))

    def _has_work(self) -> bool:
        return bool(self._ingest.frames_waiting or self._answers.ready)

    def _seconds_to_deadline(self) -> float | None:
        deadline = self._answers.next_deadline_s
        return None if deadline is None else max(0.0, deadline - perf_counter())

    def _abandon(self, error: EngineError) -> None:
        self._ingest.abandon(error)
        self._answers.abandon(error)
        self._writer.residency.close()


def _detector(video: VideoSettings) -> ChangeDetector | None:
    return ChangeDetector(video.max_gap_s) if video.unchanged == "skip" else None
