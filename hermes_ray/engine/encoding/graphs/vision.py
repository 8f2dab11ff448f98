"""Vision tower and projector over frames of one size, as captured passes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from hermes_ray.engine.graphs.buckets import smallest
from hermes_ray.engine.graphs.capture import Capture
from hermes_ray.engine.graphs.counts import PassCounts
from hermes_ray.memory.transfer import bring
from hermes_ray.models.adapter import FixedSizeAdapter, FrameGroup, VisualBlock


class Vision(Protocol):
    """What turns groups of frames into blocks of tokens; a :class:`ModelAdapter` by itself does."""

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """See :meth:`hermes_ray.models.ModelAdapter.encode`."""
        ...


class VisionPass:
    """Takes up to ``frames`` frames.

    Args:
        adapter: the model.
        frames: frames.
        capture: makes it repeatable.
    """

    def __init__(self, adapter: FixedSizeAdapter, frames: int, capture: Capture) -> None:
        self._adapter = adapter
        tokens, hidden = adapter.max_tokens_per_block, adapter.decoder.shape.hidden
        self._pixels = torch.zeros((frames, *adapter.frame_shape), dtype=torch.uint8, device=adapter.device)
        self._features = torch.zeros((frames, tokens, hidden), dtype=adapter.dtype, device=adapter.device)
        self._replay = capture(self._work)

    def run(self, pixels: Tensor) -> Tensor:
        """From ``[frames, *frame_shape]`` uint8 on the CPU: ``[frames, tokens, hidden]`` on the device."""
        bring(pixels, self._pixels[: len(pixels)])
        self._replay()
        return self._features[: len(pixels)].clone()

    def _work(self) -> None:
        self._features.copy_(self._adapter.features(self._pixels))


class VisionGraphs:
    """See :class:`Vision`. More frames at once than the largest pass takes are encoded eagerly.

    Args:
        adapter: the model.
        passes: by frames, from few to many.
        counts: where passes are counted.
    """

    def __init__(self, adapter: FixedSizeAdapter, passes: Mapping[int, VisionPass], counts: PassCounts) -> None:
        self._adapter = adapter
        self._passes = passes
        self._counts = counts

    @torch.inference_mode()
    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """See :meth:`Vision.encode`."""
        size = smallest(list(self._passes), len(groups))
        pictures = [group.pixels[0] for group in groups]
        if size is None or any(picture.dtype != torch.uint8 for picture in pictures):
            self._counts.eager += 1
            return self._adapter.encode(groups)
        self._counts.replayed += 1
        return self._adapter.blocks(groups, self._passes[size].run(torch.stack(pictures)))
