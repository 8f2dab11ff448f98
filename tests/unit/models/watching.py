"""One engine's parts without its thread: frames in, logits and memories out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.answering.seats.reading import Preview, Reading
from hermes_ray.engine.encoding.ingest import FrameIngest
from hermes_ray.engine.encoding.waiting.frame_batch import FrameBatch
from hermes_ray.engine.encoding.waiting.scheduler import FrameScheduler
from hermes_ray.engine.encoding.writing.writer import MemoryWriter, StreamMemory
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter
from tests.unit.models.whole_video import QUESTION, Clip, chunked

TEXT_TOKENS = 64


class Watcher:
    """Streams watched by one model under one policy."""

    def __init__(
        self, adapter: ModelAdapter, *, slots: int = 2, max_frames_per_step: int = 64, **memory: object
    ) -> None:
        self.adapter = adapter
        self.writer = MemoryWriter(adapter, MemorySettings(slots=slots, **memory), TEXT_TOKENS)
        self.ingest = FrameIngest(adapter, self.writer, FrameScheduler(max_frames_per_step))

    def watch(self, clips: dict[str, Clip], chunks: Sequence[int]) -> None:
        """Hand the clips over chunk by chunk, all streams side by side."""
        for part in chunked(len(next(iter(clips.values())).frames), chunks):
            for name, clip in clips.items():
                pixels = [self.adapter.preprocess(frame) for frame in clip.frames[part]]
                self.ingest.enqueue(name, FrameBatch(pixels, clip.ts_ms[part]))
            while self.ingest.frames_waiting:
                self.ingest.step()

    def memory(self, name: str) -> StreamMemory:
        return self.ingest.memory(name)[0]

    def view(self, name: str) -> MemoryView:
        """A copy of what a stream's memory holds."""
        slot = self.memory(name).slot
        assert slot is not None
        view = self.writer.slab.view(slot)
        return view.gather(torch.arange(view.tokens).expand(view.rows, -1))

    def ask(self, name: str, max_tokens: int) -> tuple[Tensor, list[int]]:
        """Logits behind the question, and the greedy answer."""
        copies = AnswerSlab(
            self.adapter.decoder, self.adapter.rotary, seats=1, capacity=self.writer.slab.shape.capacity + TEXT_TOKENS
        )
        memory = self.memory(name)
        assert memory.slot is not None
        seat = copies.copy(self.writer.slab, memory.slot)
        preview = self.writer.preview(memory)
        shown = None if preview is None else Preview(*preview, frame=memory.held_back[0].number)
        with torch.inference_mode():
            logits = copies.read([Reading(seat, self.adapter.question(QUESTION), preview=shown)])[0][0]
        tokens = [int(logits.argmax())]
        while len(tokens) < max_tokens and tokens[-1] not in self.adapter.stop_ids:
            tokens.append(int(copies.decode([seat], tokens[-1:])[0].argmax()))
        return logits, tokens
