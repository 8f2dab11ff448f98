"""What the engine needs from a model, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hermes_ray.models.decoder import Decoder
from hermes_ray.models.rotary import RotaryTable


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
class VisualBlock:
    """One frame as the decoder takes it.

    Attributes:
        embeds: ``[tokens, hidden]`` in the model's dtype, on its device.
    """

    embeds: Tensor

    @property
    def tokens(self) -> int:
        """Tokens of the block."""
        return self.embeds.shape[0]


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
    """

    family: str
    name: str
    decoder: Decoder
    rotary: RotaryTable
    tokenizer: PreTrainedTokenizerBase
    guidance: GuidanceTexts
    is_meaningful: bool

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
    def max_tokens_per_frame(self) -> int:
        """The most tokens that one frame of any size becomes."""

    @property
    @abstractmethod
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end an answer."""

    @abstractmethod
    def prefix(self) -> Tensor:
        """Embeddings of everything before the first frame, ``[tokens, hidden]``: system prompt and template."""

    @abstractmethod
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """One picture ``[height, width, 3]`` uint8 RGB to the vision tower's input, float32 on the CPU.

        Safe to call from any thread.
        """

    @abstractmethod
    def encode_frames(self, pixels: Sequence[Tensor]) -> list[VisualBlock]:
        """Run the vision tower and projector over preprocessed pictures, in one batch."""

    @abstractmethod
    def question(self, text: str) -> Tensor:
        """Embeddings of a question behind the frames, up to where the answer begins, ``[tokens, hidden]``."""

    @abstractmethod
    def template(self) -> Tensor:
        """Embeddings of :meth:`question` without any question in it, ``[tokens, hidden]``."""

    def place(self, block: VisualBlock, largest: Tensor) -> Tensor:
        """Positions of a frame's tokens behind a memory.

        Args:
            block: the frame.
            largest: ``[layers, axes]`` int32, the largest position that each layer holds so far.

        Returns:
            ``[layers, tokens, axes]`` int32. Here: one after the other, behind the largest.
        """
        steps = torch.arange(1, block.tokens + 1, dtype=largest.dtype, device=largest.device)
        return largest[:, None, :] + steps[None, :, None]
