"""Vision features computed before the clock starts, so that a benchmark times the memory and the decoder alone."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray.models import FrameGroup, ModelAdapter, Turn, VisualBlock


def ticket(number: int) -> NDArray[np.uint8]:
    """A picture of one pixel that stands for the features with this number, ``[1, 1, 3]``; 0 to 2**24 - 1."""
    return np.array([[[number >> 16, number >> 8 & 255, number & 255]]], dtype=np.uint8)


class FeatureBank:
    """Features of some frames, handed out over and over.

    Args:
        features: ``[frames, tokens, hidden]``.
    """

    def __init__(self, features: Tensor) -> None:
        self._features = features
        self.tokens_per_frame = features.shape[1]

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """A ticket's number, in the place of pixels."""
        high, middle, low = (int(value) for value in image.reshape(3))
        return torch.tensor([high << 16 | middle << 8 | low])

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """The features that tickets stand for."""
        return [self.block(int(group.pixels[0]), group.elapsed_ms[0]) for group in groups]

    def block(self, number: int, elapsed_ms: int = 0) -> VisualBlock:
        """The features with this number, counted round and round."""
        return VisualBlock(self._features[number % len(self._features)], elapsed_ms=elapsed_ms)

    def blocks(self, count: int) -> list[VisualBlock]:
        """The first ``count`` frames' features."""
        return [self.block(number) for number in range(count)]


class WithoutVision(ModelAdapter):
    """A model whose vision tower has done its work already: frames are tickets.

    Args:
        model: everything else is this model's.
        bank: the features.
    """

    def __init__(self, model: ModelAdapter, bank: FeatureBank) -> None:
        self._inner = model
        self.bank = bank
        self.family, self.name = model.family, model.name
        self.decoder, self.rotary, self.tokenizer = model.decoder, model.rotary, model.tokenizer
        self.guidance, self.is_meaningful, self.k_end = model.guidance, model.is_meaningful, model.k_end

    @property
    def max_tokens_per_block(self) -> int:
        """As the features have."""
        return self.bank.tokens_per_frame

    @property
    def stop_ids(self) -> frozenset[int]:
        """The model's own."""
        return self._inner.stop_ids

    def prefix(self) -> Tensor:
        """The model's own."""
        return self._inner.prefix()

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """See :meth:`FeatureBank.preprocess`."""
        return self.bank.preprocess(image)

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """See :meth:`FeatureBank.encode`."""
        return self.bank.encode(groups)

    def question(self, text: str, history: Sequence[Turn] = (), instructions: str | None = None) -> Tensor:
        """The model's own."""
        return self._inner.question(text, history, instructions)

    def template(self) -> Tensor:
        """The model's own."""
        return self._inner.template()
