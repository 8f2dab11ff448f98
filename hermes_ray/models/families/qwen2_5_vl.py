"""Qwen2.5-VL (arXiv 2502.13923) over transformers' own classes.

A video is one run of visual tokens between ``<|vision_start|>`` and ``<|vision_end|>``. Their M-RoPE positions are
(time, row, column): rows and columns count from the video's start, time advances with capture time, by the
``tokens_per_second`` of the model. Text goes on behind the largest of the three, as the model was trained.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermes_ray.memory.policies.presets import QWEN_K_END
from hermes_ray.models.adapter import FrameGroup, VisualBlock
from hermes_ray.models.families.qwen_vl import MAX_TOKENS_PER_FRAME, MIN_TOKENS, QwenVLAdapter
from hermes_ray.models.parts.resizing import PixelLimits, area_bounds


class Qwen25VLAdapter(QwenVLAdapter):
    """One loaded Qwen2.5-VL. See :class:`QwenVLAdapter` for the arguments."""

    family = "qwen2_5_vl"
    k_end = QWEN_K_END

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tokens_per_second = float(self._model.config.vision_config.tokens_per_second)
        with torch.inference_mode():
            self._video_begins = self.prefix().shape[0]

    @property
    def max_tokens_per_block(self) -> int:
        """The visual tokens of the largest pair of frames; nothing stands between pairs."""
        return self.max_visual_tokens

    def pixel_limits(self, preprocessing: dict[str, Any], factor: int, max_pixels_per_frame: int | None) -> PixelLimits:
        """The areas of the preprocessing file, which hold for each frame; but a frame gets at most 768 tokens."""
        smallest, largest = area_bounds(preprocessing)
        most = MAX_TOKENS_PER_FRAME * factor**2
        most = max_pixels_per_frame or min(largest or most, most)
        return PixelLimits(factor, min(smallest or MIN_TOKENS * factor**2, most), most)

    def block(self, group: FrameGroup, features: Tensor, levels: Sequence[Tensor]) -> VisualBlock:
        """The visual tokens and their rows and columns."""
        return VisualBlock(
            features, frames=len(group.pixels), elapsed_ms=group.elapsed_ms[0], offsets=self.places(group)
        )

    def place(self, block: VisualBlock, largest: Tensor, previous_ms: int | None) -> Tensor:
        """Rows and columns from the video's start; time from each layer's newest, onwards by capture time.

        A gap counts for at most as many positions as the block has places (:meth:`ModelAdapter.place`): with 256 tokens
        per pair and 2 positions per second, a gap of more than two minutes looks like two minutes.
        """
        assert block.offsets is not None
        placed = (self._video_begins + block.offsets).expand(largest.shape[0], -1, -1).clone()
        if previous_ms is not None:
            step = self._ticks(block.elapsed_ms) - self._ticks(previous_ms)
            placed[..., 0] = largest[:, :1] + min(max(step, 0), block.places)
        return placed

    def _ticks(self, elapsed_ms: int) -> int:
        return int(elapsed_ms * self._tokens_per_second // 1000)
