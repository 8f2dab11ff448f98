"""Streams written and asked in the caller's own thread: the engine's parts without its queue and its clock."""

from collections.abc import Mapping, Sequence
from time import perf_counter

import torch
from torch import Tensor

from hermes_ray.config import EngineSettings, MemorySettings
from hermes_ray.engine.answering.seats.answer_slab import AnswerSlab
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.engine.residency.stream_memory import StreamMemory, slot_of
from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import ModelAdapter, VisualBlock

_FILLED_FRAME_TOKENS = 16


class DirectStreams:
    """Some streams in one slab, and room to ask them.

    Args:
        adapter: the model.
        settings: the memory's.
        seats: questions that are answered together.
        text_tokens: room for a question and its answer.
    """

    def __init__(
        self, adapter: ModelAdapter, settings: MemorySettings, *, seats: int = 1, text_tokens: int | None = None
    ) -> None:
        limits = EngineSettings()
        text = text_tokens or limits.max_question_tokens + limits.max_answer_tokens
        self.writer = MemoryWriter(adapter, settings, text)
        self.slab = self.writer.slab
        self._adapter = adapter
        self._copies = AnswerSlab(
            adapter.decoder, adapter.rotary, seats=seats, capacity=self.slab.shape.capacity + text
        )
        self._memories: dict[str, StreamMemory] = {}
        self._filling: MemoryView | None = None

    def open(self, name: str) -> None:
        """Begin a stream."""
        self._memories[name] = self.writer.open(name)

    def close(self, name: str) -> None:
        """Forget a stream."""
        self.writer.close(self._memories.pop(name))

    def write(self, blocks: Mapping[str, Sequence[VisualBlock]]) -> None:
        """Append frames, all streams in one batch."""
        for error in self.writer.write({name: self._memories[name] for name in blocks}, blocks).values():
            raise error

    def tokens(self, name: str) -> int:
        """Visual tokens per layer of a stream."""
        return self._memories[name].tokens

    def compactions(self, name: str) -> int:
        """How often a stream was compacted."""
        return self._memories[name].compactions

    def view(self, name: str) -> MemoryView:
        """A stream's visual tokens, without copying."""
        return self.slab.view(slot_of(self._memories[name]))

    def fill(self, name: str, tokens: int) -> None:
        """Put random keys and values into a stream's memory, as many as an endless stream would have left there.

        Reading them costs what reading real ones costs, and encoding real ones takes minutes on two cores.

        Args:
            name: an open stream; whatever it holds is replaced.
            tokens: visual tokens per layer.
        """
        memory = self._memories[name]
        if self._filling is None:
            self._filling = _random_memory(self.slab)
        self.slab.replace(slot_of(memory), self._filling.span(0, tokens))
        memory.tokens = tokens
        memory.frames = -(-tokens // _FILLED_FRAME_TOKENS)

    def first_logits(self, name: str, question: Tensor) -> Tensor:
        """Everything up to the first token of an answer: private copy, key rotation, reading the question.

        Args:
            name: an open stream.
            question: ``[tokens, hidden]``.

        Returns:
            Logits, ``[vocabulary]`` float32.
        """
        seat = self._copies.copy(self.slab, slot_of(self._memories[name]))
        logits = self._copies.prefill(seat, question)
        self._copies.release(seat)
        return logits

    def reading_times_ms(self, name: str, prompts: Sequence[Tensor], repetitions: int) -> list[float]:
        """How long it takes to read prompts upon a stream's memory, each upon a copy of its own that is not timed.

        Args:
            name: an open stream.
            prompts: ``[tokens, hidden]`` each.
            repetitions: how often; one more, the first, does not count.

        Returns:
            The sum over the prompts, for each repetition.
        """
        sums = []
        for _ in range(repetitions + 1):
            taken = 0.0
            for prompt in prompts:
                seat = self._copies.copy(self.slab, slot_of(self._memories[name]))
                began = perf_counter()
                self._copies.prefill(seat, prompt)
                taken += (perf_counter() - began) * 1000
                self._copies.release(seat)
            sums.append(taken)
        return sums[1:]

    def answer(self, questions: Sequence[tuple[str, str]], max_tokens: int) -> list[str]:
        """Answer greedily, as many questions at a time as there are seats.

        Args:
            questions: stream and text of each.
            max_tokens: the longest answer; a longer one is cut there.

        Returns:
            The answers' texts, in the same order.
        """
        seats = self._copies.seats_free
        answers: list[str] = []
        for first in range(0, len(questions), seats):
            answers += self._answer_together(questions[first : first + seats], max_tokens)
        return answers

    def _answer_together(self, questions: Sequence[tuple[str, str]], max_tokens: int) -> list[str]:
        said: dict[int, list[int]] = {}
        for name, text in questions:
            with torch.inference_mode():
                prompt = self._adapter.question(text)
            seat = self._copies.copy(self.slab, slot_of(self._memories[name]))
            said[seat] = [int(self._copies.prefill(seat, prompt).argmax())]
        stop = self._adapter.stop_ids
        while talking := [s for s, ids in said.items() if ids[-1] not in stop and len(ids) < max_tokens]:
            logits = self._copies.decode(talking, [said[seat][-1] for seat in talking])
            for seat, token in zip(talking, logits.argmax(dim=-1).tolist(), strict=True):
                said[seat].append(token)
        for seat in said:
            self._copies.release(seat)
        return [spoken(self._adapter, ids) for ids in said.values()]


def spoken(adapter: ModelAdapter, ids: Sequence[int]) -> str:
    """The text of an answer's tokens, without the one that ends it."""
    words = [token for token in ids if token not in adapter.stop_ids]
    return str(adapter.tokenizer.decode(words, skip_special_tokens=True)).strip()


def _random_memory(slab: KVSlab) -> MemoryView:
    """Random keys and values, as many as a slot has room for."""
    shape, tokens = slab.shape, slab.shape.capacity - slab.prefix
    generator = torch.Generator().manual_seed(2)
    kv = (shape.layers, shape.kv_heads, tokens, shape.head_dim)
    order = torch.arange(tokens, dtype=torch.int32).expand(shape.layers, -1)
    return MemoryView(
        keys=torch.randn(kv, generator=generator),
        values=torch.randn(kv, generator=generator),
        positions=(slab.prefix + order)[..., None].expand(-1, -1, shape.axes).contiguous(),
        frames=order // _FILLED_FRAME_TOKENS,
        patches=order % _FILLED_FRAME_TOKENS,
        counts=torch.ones_like(order),
    )
