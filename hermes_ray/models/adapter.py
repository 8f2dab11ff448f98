"""What the engine needs from a model, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hermes_ray.memory.policies.presets import LLAVA_K_END
from hermes_ray.memory.transfer import to_device
from hermes_ray.models.parts.chat import Turn
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.rotary import RotaryTable
from hermes_ray.models.parts.vocabulary import GENERAL_EXAMPLES, unknown_words

_REMEMBERED = 512
"""Texts whose tokens are known without asking the tokenizer, which takes as long as a layer of a small model."""
_SHORT = 2000
"""Characters of a text that is remembered: nobody fills the memory with long ones."""


@dataclass(frozen=True, slots=True)
class GuidanceTexts:
    """The pseudo-questions whose attention tells what is worth keeping (HERMES, section 3; never stored).

    Attributes:
        present: asks about the current scene in detail; for working-memory layers.
        narrative: asks for the story so far; for long-term layers.
    """

    present: str = "Describe the current scene in detail: the objects, what they do, and where they are."
    narrative: str = "Summarise the narrative of the video so far: who appeared, what happened, when, and what changed."


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Consecutive frames of one stream that become one block.

    Attributes:
        pixels: what :meth:`ModelAdapter.preprocess` made of each, all of one shape; 1 to ``frames_per_block``.
        elapsed_ms: when each was captured, milliseconds since the stream's first frame.
        numbers: of each in its stream; none if that does not matter.
    """

    pixels: tuple[Tensor, ...]
    elapsed_ms: tuple[int, ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class VisualBlock:
    """What the decoder takes of one group of frames.

    Attributes:
        embeds: ``[tokens, hidden]`` in the model's dtype, on its device.
        frames: frames of the stream in it.
        elapsed_ms: when the first of them was captured, milliseconds since the stream's first frame.
        offsets: ``[tokens, axes]`` int32, each token's position relative to where the block begins; ``None`` for one
            after the other.
        patches: ``[tokens]`` int32, each token's number in the block, the same for the same place in every block of
            the same size; ``None`` for 0, 1, 2 ...
        deepstack: ``[levels, tokens, hidden]``, what is added to the output of decoder layer 0, 1 ... (DeepStack,
            arXiv 2406.04334); ``None`` for nothing.
        numbers: of its frames in their stream, ascending; none if they follow those before without a gap.
        shows_from: index of the first token that shows a part of the picture; those follow one another row by row. What
            else there is, is text that belongs to the frames.
        left_out: tokens that the frames have besides, which show nothing new (:meth:`showing`).
    """

    embeds: Tensor
    frames: int = 1
    elapsed_ms: int = 0
    offsets: Tensor | None = None
    patches: Tensor | None = None
    deepstack: Tensor | None = None
    numbers: tuple[int, ...] = ()
    shows_from: int = 0
    left_out: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that the decoder takes."""
        return self.embeds.shape[0]

    @property
    def places(self) -> int:
        """Tokens of the frames, those included that were left out: so many positions the block takes, at most."""
        return self.tokens + self.left_out

    def showing(self, shown: Sequence[int], places: int) -> "VisualBlock":
        """The same block without the tokens of some places, all others at their positions.

        Args:
            shown: numbers of the places in the picture that stay, ascending. The last place must be among them: behind
                it lies the position of what follows.
            places: that the picture has.
        """
        begin, end = self.shows_from, self.shows_from + places
        kept = [*range(begin), *(begin + place for place in shown), *range(end, self.tokens)]
        index = to_device(torch.tensor(kept), self.embeds.device)
        return replace(
            self,
            embeds=self.embeds[index],
            offsets=index.int()[:, None] if self.offsets is None else self.offsets[index],
            patches=index.int() if self.patches is None else self.patches[index],
            deepstack=None if self.deepstack is None else self.deepstack[:, index],
            left_out=self.tokens - len(kept),
        )


class ModelAdapter(ABC):
    """A loaded multimodal model: vision tower, projector and decoder, behind one interface for all families.

    Attributes:
        name: what the caller asked for.
        family: transformers' ``model_type``.
        decoder: the language decoder.
        rotary: cosines and sines for all positions the model knows.
        tokenizer: the model's own.
        guidance: pseudo-questions for policies that want the model's attention.
        is_meaningful: false for random weights, whose words mean nothing.
        examples: questions that the model understands, those first that a person would ask first.
        frames_per_block: frames that the vision tower takes together (the temporal patch).
        k_end: where the recency decay of HERMES ends for this family (paper, section 4.1).
    """

    family: str
    name: str
    decoder: Decoder
    rotary: RotaryTable
    tokenizer: PreTrainedTokenizerBase
    guidance: GuidanceTexts
    is_meaningful: bool
    examples: tuple[str, ...] = GENERAL_EXAMPLES
    frames_per_block: int = 1
    k_end: float = LLAVA_K_END

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights, hidden states, keys and values."""
        return self.decoder.dtype

    @property
    @abstractmethod
    def max_tokens_per_block(self) -> int:
        """The most tokens that a block becomes, whatever the size of its frames."""

    @property
    @abstractmethod
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end an answer."""

    @abstractmethod
    def prefix(self) -> Tensor:
        """Embeddings of everything before the first frame, ``[tokens, hidden]``: system prompt and template."""

    @abstractmethod
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """One picture ``[height, width, 3]`` uint8 RGB to ``[3, height, width]`` of the size that the tower wants.

        The result is uint8 on the CPU; :meth:`encode` normalises it on the device. Safe to call from any thread.

        Raises:
            UnsupportedMedia: the picture has a shape that the model cannot take.
        """

    def may_wait(self, shape: tuple[int, ...]) -> bool:
        """Whether :meth:`preprocess` may give frames of this shape, and a single one has to wait for its group.

        Never so in a family whose tower takes every frame by itself.
        """
        return False

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the tokens that show a frame whose pixels :meth:`preprocess` gave this shape.

        Here every frame is a square of as many tokens as a block has.
        """
        side = isqrt(self.max_tokens_per_block)
        return side, side

    @abstractmethod
    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """Run the vision tower and projector over groups of frames, in one batch.

        A group of fewer than :attr:`frames_per_block` frames is filled up as the family's own processor ends an odd
        clip: its last frame is repeated.
        """

    @abstractmethod
    def question(self, text: str, history: Sequence[Turn] = (), instructions: str | None = None) -> Tensor:
        """Embeddings of a question behind the frames, up to where the answer begins, ``[tokens, hidden]``.

        Args:
            text: the question.
            history: the conversation before it.
            instructions: a system turn before the conversation.

        Raises:
            InvalidQuestion: the chat template has no system turn behind a video.
        """

    @abstractmethod
    def template(self) -> Tensor:
        """Embeddings of :meth:`question` without any question in it, ``[tokens, hidden]``."""

    def place(self, block: VisualBlock, largest: Tensor, previous_ms: int | None) -> Tensor:
        """Positions of a block's tokens behind a memory.

        Here the block begins behind the largest position of any axis. No family may advance any axis by more than
        the block has places: that bound keeps an endless stream within the model's positions.

        Args:
            block: the block.
            largest: ``[layers, axes]`` int32, the largest position that each layer holds so far, -1 for none.
            previous_ms: ``elapsed_ms`` of the stream's block before this one; ``None`` for its first.

        Returns:
            ``[layers, tokens, axes]`` int32.
        """
        begin = largest.amax(dim=-1)[:, None, None] + 1
        offsets = block.offsets
        if offsets is None:
            offsets = torch.arange(block.tokens, dtype=largest.dtype, device=largest.device)[:, None]
        return (begin + offsets).expand(-1, -1, largest.shape[-1])

    def unknown_words(self, *texts: str) -> tuple[str, ...]:
        """Words of texts that the model's tokenizer does not know; none where it knows every byte."""
        is_short = sum(map(len, texts)) <= _SHORT
        return self._unknown_words(texts) if is_short else unknown_words(self.tokenizer, *texts)

    def ids(self, text: str) -> tuple[int, ...]:
        """A text as token ids, without a template. Safe to call from any thread.

        Short texts of late are remembered, as standing questions come again and again.
        """
        return self._known_ids(text) if len(text) <= _SHORT else self._tokenized(text)

    def embed_text(self, text: str) -> Tensor:
        """Embeddings of a piece of rendered template or question, ``[tokens, hidden]``."""
        return self.decoder.embed(to_device(torch.tensor(self.ids(text), dtype=torch.int64), self.device))

    @cached_property
    def _known_ids(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(_REMEMBERED)(self._tokenized)

    @cached_property
    def _unknown_words(self) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
        return lru_cache(_REMEMBERED)(lambda texts: unknown_words(self.tokenizer, *texts))

    def _tokenized(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])


class FixedSizeAdapter(ModelAdapter):
    """A model that brings every frame to one size, each a block of its own: what its tower computes has one shape."""

    @property
    @abstractmethod
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of what :meth:`preprocess` returns."""

    @abstractmethod
    def features(self, pixels: Tensor) -> Tensor:
        """Frames ``[frames, *frame_shape]`` uint8 on the device as ``[frames, tokens, hidden]``."""

    @staticmethod
    def blocks(groups: Sequence[FrameGroup], features: Tensor) -> list[VisualBlock]:
        """One block for each group, from :meth:`features`."""
        return [
            VisualBlock(frame, elapsed_ms=group.elapsed_ms[0]) for frame, group in zip(features, groups, strict=True)
        ]
