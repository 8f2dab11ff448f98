"""Evaluates policies: streams are rendered once, encoded by the vision tower once, and asked the same questions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from hermes_ray.bench.accuracy.items import Category, EvaluationStream
from hermes_ray.bench.accuracy.variants import Variant
from hermes_ray.bench.peers.streams import PeerStreams, peer_streams
from hermes_ray.bench.streams import DirectStreams
from hermes_ray.engine.encoding.grouping import group_frames
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
    """

    policy: str
    budget_percent: float
    seed: int
    item: int
    category: Category
    task: str
    correct: bool
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class EncodedStream:
    """A stream behind the vision tower.

    Attributes:
        source: its frames and items.
        blocks: what the decoder takes, in order.
    """

    source: EvaluationStream
    blocks: tuple[VisualBlock, ...]

    def between(self, start: int, end: int, *, highlights: bool) -> list[VisualBlock]:
        """Blocks ``start`` to ``end``; of highlights those that show something and the newest few."""
        if not highlights:
            return list(self.blocks[start:end])
        shows, firsts = self.source.shows(), [0, *accumulate(block.frames for block in self.blocks)]
        lively = [any(shows[firsts[index] : firsts[index + 1]]) for index in range(start, end)]
        return [
            block
            for block, is_lively, index in zip(self.blocks[start:end], lively, range(start, end), strict=True)
            if is_lively or index >= end - _PRESENT_BLOCKS
        ]


@torch.inference_mode()
def encode_stream(adapter: ModelAdapter, stream: EvaluationStream) -> EncodedStream:
    """Render a stream and run the vision tower over it."""
    pictures = [
        TimedPixels(adapter.preprocess(image), index * _INTERVAL_MS, index)
        for index, image in enumerate(stream.film(_SIDE_PX))
    ]
    groups, _ = group_frames(pictures, adapter.frames_per_block)
    blocks: list[VisualBlock] = []
    for first in range(0, len(groups), _GROUPS_PER_VISION_BATCH):
        blocks += adapter.encode(groups[first : first + _GROUPS_PER_VISION_BATCH])
    return EncodedStream(stream, tuple(blocks))


def evaluate(
    adapter: ModelAdapter, streams: Sequence[EncodedStream], variant: Variant, *, seats: int = 32
) -> list[Outcome]:
    """Let one policy watch some streams and answer their questions.

    Args:
        adapter: the model.
        streams: watched together.
        variant: the policy and its budget.
        seats: questions answered together.
    """
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
            end = _blocks_until(streams[index].blocks, moments[index][round_number])
            pending[str(index)] = streams[index].between(shown[index], end, highlights=variant.highlights)
            shown[index] = end
        _write(memory, pending)
        for index in here:
            outcomes += _ask(adapter, memory, streams[index].source, str(index), moments[index][round_number], variant)
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


def _blocks_until(blocks: Sequence[VisualBlock], frame: int) -> int:
    """How many blocks hold the frames up to and with this one; the last may hold later ones."""
    frames = 0
    for index, block in enumerate(blocks):
        frames += block.frames
        if frames > frame:
            return index + 1
    return len(blocks)


def _ask(
    adapter: ModelAdapter, memory: _Streams, stream: EvaluationStream, name: str, frame: int, variant: Variant
) -> list[Outcome]:
    numbered = [(number, item) for number, item in enumerate(stream.items) if item.frame == frame]
    # What goes on beyond the longest right answer and its end is wrong anyhow.
    longest = max(len(adapter.tokenizer(item.question.answer)["input_ids"]) for _, item in numbered)
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
        )
        for (number, item), answer in zip(numbered, answers, strict=True)
    ]


def is_right(answer: str, truth: str) -> bool:
    """Whether an answer has exactly the right words and punctuation marks, in order; case and spaces do not count."""
    return _words(answer) == _words(truth)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())
