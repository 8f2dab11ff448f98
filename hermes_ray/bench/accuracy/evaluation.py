"""Evaluates policies: streams are rendered once, encoded by the vision tower once, and asked the same questions."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import torch

from hermes_ray.bench.accuracy.items import Category, EvaluationStream
from hermes_ray.bench.accuracy.variants import Variant
from hermes_ray.bench.peers.streams import PeerStreams, peer_streams
from hermes_ray.bench.streams import DirectStreams
from hermes_ray.engine.encoding.writing.grouping import group_frames
from hermes_ray.engine.residency.stream_memory import TimedPixels
from hermes_ray.models import ModelAdapter, VisualBlock

_Streams = DirectStreams | PeerStreams
_TEXT_TOKENS = 128
_SIDE_PX = 72
_GROUPS_PER_VISION_BATCH = 64
_BLOCKS_PER_WRITE = 32
_INTERVAL_MS = 1000
_PRESENT_BLOCKS = 4  # that a variant which is shown highlights only sees before each moment, whatever they show


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one policy did on one item.

    Attributes:
        policy: of the variant.
        budget_percent: of the variant.
        seed: of the stream.
        item: its number within the stream.
        category: what it tests.
        task: kind of question.
        correct: whether the answer has exactly the right words.
        cached_tokens: visual tokens per layer that the policy held when it was asked.
        frames: that had come until then; 0 where a journal of an older release does not say.
        encoded: of those, frames of which anything was encoded.
        tokens: that these frames would have become whole; 0 where an older journal does not say.
        encoded_tokens: of those, tokens that were encoded.
    """

    policy: str
    budget_percent: float
    seed: int
    item: int
    category: Category
    task: str
    correct: bool
    cached_tokens: int
    frames: int = 0
    encoded: int = 0
    tokens: int = 0
    encoded_tokens: int = 0


@dataclass(slots=True)
class Stopwatch:
    """How long it took to watch.

    Attributes:
        frames: of all streams, whether they were encoded or not.
        seconds: of choosing, encoding and writing them; not of rendering, and of no question.
    """

    frames: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EncodedStream:
    """A stream behind the vision tower.

    Attributes:
        source: its frames and items.
        blocks: what the decoder takes, in order, with the numbers of their frames.
        seconds: what that took, rendering apart.
    """

    source: EvaluationStream
    blocks: tuple[VisualBlock, ...]
    seconds: float = field(default=0.0, compare=False)

    def until(self, frame: int) -> int:
        """How many blocks hold the frames up to and with this one; the last may hold later ones."""
        return bisect_right([block.numbers[0] for block in self.blocks], frame)

    def encoded(self, frame: int) -> int:
        """How many of the frames up to and with this one are encoded."""
        return sum(number <= frame for block in self.blocks for number in block.numbers)

    def tokens(self, frame: int) -> tuple[int, int]:
        """Tokens that the frames up to and with this one would have become whole, and those that they have become."""
        whole = self.blocks[0].places * (frame + 1) // len(self.blocks[0].numbers)
        return whole, sum(block.tokens for block in self.blocks[: self.until(frame)])

    def between(self, start: int, end: int, *, highlights: bool) -> list[VisualBlock]:
        """Blocks ``start`` to ``end``; of highlights those that show something and the newest few."""
        if not highlights:
            return list(self.blocks[start:end])
        shows = self.source.shows()
        lively = [any(shows[number] for number in block.numbers) for block in self.blocks[start:end]]
        return [
            block
            for block, is_lively, index in zip(self.blocks[start:end], lively, range(start, end), strict=True)
            if is_lively or index >= end - _PRESENT_BLOCKS
        ]


@torch.inference_mode()
def encode_stream(adapter: ModelAdapter, stream: EvaluationStream) -> EncodedStream:
    """Render a stream and run the vision tower over those of its frames that are to be encoded."""
    film, footage = stream.film(_SIDE_PX), stream.footage
    began_s = perf_counter()
    pictures = [
        TimedPixels(adapter.preprocess(film[number]), number * _INTERVAL_MS, number)
        for number in footage.encoded(film, stream.times_s)
    ]
    groups, _ = group_frames(pictures, adapter.frames_per_block)
    new = [group for group in footage.sifted(adapter, groups) if group.is_new]
    blocks: list[VisualBlock] = []
    for first in range(0, len(new), _GROUPS_PER_VISION_BATCH):
        batch = new[first : first + _GROUPS_PER_VISION_BATCH]
        encoded = zip(adapter.encode([group.frames for group in batch]), batch, strict=True)
        blocks += [group.thinned(block) for block, group in encoded]
    return EncodedStream(stream, tuple(blocks), perf_counter() - began_s)


def evaluate(
    adapter: ModelAdapter,
    streams: Sequence[EncodedStream],
    variant: Variant,
    *,
    seats: int = 32,
    stopwatch: Stopwatch | None = None,
) -> list[Outcome]:
    """Let one policy watch some streams and answer their questions.

    Args:
        adapter: the model.
        streams: watched together.
        variant: the policy and its budget.
        seats: questions answered together.
        stopwatch: counts what was watched.
    """
    stopwatch = stopwatch or Stopwatch()
    memory = _begin(adapter, variant, len(streams), seats)
    moments = [stream.source.moments() for stream in streams]
    shown = [0] * len(streams)
    outcomes: list[Outcome] = []
    for index in range(len(streams)):
        memory.open(str(index))
    for round_number in range(max(map(len, moments))):
        here = [index for index in range(len(streams)) if round_number < len(moments[index])]
        pending = {}
        for index in here:
            end = streams[index].until(moments[index][round_number])
            pending[str(index)] = streams[index].between(shown[index], end, highlights=variant.highlights)
            shown[index] = end
        began_s = perf_counter()
        _write(memory, pending)
        stopwatch.seconds += perf_counter() - began_s
        for index in here:
            outcomes += _ask(adapter, memory, streams[index], str(index), moments[index][round_number], variant)
    for stream, asked in zip(streams, moments, strict=True):
        stopwatch.frames += asked[-1] + 1
        # Frames behind the last question are encoded and not shown.
        stopwatch.seconds += stream.seconds * (asked[-1] + 1) / stream.source.frames
    return outcomes


def _begin(adapter: ModelAdapter, variant: Variant, streams: int, seats: int) -> _Streams:
    if variant.is_peer:
        return peer_streams(adapter, variant.policy, variant.settings["budget_tokens"])
    return DirectStreams(adapter, variant.memory(streams), seats=seats, text_tokens=_TEXT_TOKENS)


def _write(memory: _Streams, pending: Mapping[str, Sequence[VisualBlock]]) -> None:
    """Write in pieces, which changes nothing but the time: a piece's attention is computed without its causal half."""
    for first in range(0, max(map(len, pending.values())), _BLOCKS_PER_WRITE):
        pieces = {name: blocks[first : first + _BLOCKS_PER_WRITE] for name, blocks in pending.items()}
        memory.write({name: piece for name, piece in pieces.items() if piece})


def _ask(
    adapter: ModelAdapter, memory: _Streams, encoded: EncodedStream, name: str, frame: int, variant: Variant
) -> list[Outcome]:
    stream = encoded.source
    numbered = [(number, item) for number, item in enumerate(stream.items) if item.frame == frame]
    # What goes on beyond the longest right answer and its end is wrong anyhow.
    longest = max(len(adapter.tokenizer(item.question.answer)["input_ids"]) for _, item in numbered)
    tokens, encoded_tokens = encoded.tokens(frame)
    answers = memory.answer([(name, item.question.text) for _, item in numbered], max_tokens=longest + 1)
    return [
        Outcome(
            policy=variant.policy,
            budget_percent=variant.budget_percent,
            seed=stream.seed,
            item=number,
            category=item.category,
            task=item.question.task,
            correct=is_right(answer, item.question.answer),
            cached_tokens=memory.tokens(name),
            frames=frame + 1,
            encoded=encoded.encoded(frame),
            tokens=tokens,
            encoded_tokens=encoded_tokens,
        )
        for (number, item), answer in zip(numbered, answers, strict=True)
    ]


def is_right(answer: str, truth: str) -> bool:
    """Whether an answer has exactly the right words and punctuation marks, in order; case and spaces do not count."""
    return _words(answer) == _words(truth)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())
