"""Qwen3-VL (arXiv 2511.21631) over transformers' own classes.

Every pair of frames is announced by its time in words and framed on its own:
``<1.5 seconds><|vision_start|>...<|vision_end|>``. Positions hold no time: a pair's tokens share one, rows and columns
count from there, and what follows goes on behind the largest of the three. Features from three depths of the vision
tower are added to the first decoder layers' outputs at the visual tokens (DeepStack, arXiv 2406.04334).

The template's own ``<|vision_start|>`` and ``<|vision_end|>`` stay around the whole video, as transformers' processor
lays it out since its version 5.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hermes_ray.models.adapter import FrameGroup, VisualBlock
from hermes_ray.models.families.qwen_vl import MAX_TOKENS_PER_FRAME, MIN_TOKENS, QwenVLAdapter
from hermes_ray.models.parts.resizing import PixelLimits, area_bounds

_LONGEST_S = 9_999_999_999.9
"""The longest time that a stamp is sized for: 317 years, in the most digits."""


class Qwen3VLAdapter(QwenVLAdapter):
    """One loaded Qwen3-VL. See :class:`QwenVLAdapter` for the arguments."""

    family = "qwen3_vl"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = self._model.config
        with torch.inference_mode():
            marks = torch.tensor((config.vision_start_token_id, config.vision_end_token_id), device=self.device)
            self._start, self._end = self.decoder.embed(marks).split(1)
            self._longest_stamp = self._stamp(_LONGEST_S).shape[0]

    @property
    def max_tokens_per_block(self) -> int:
        """The visual tokens of the largest pair of frames, the longest stamp, and the two tokens that frame them."""
        return self.max_visual_tokens + self._longest_stamp + 2

    def pixel_limits(self, preprocessing: dict[str, Any], factor: int, max_pixels_per_frame: int | None) -> PixelLimits:
        """The preprocessing file's areas, as it applies them to a clip of one pair.

        They are areas of a whole clip, divided by its number of frames. A live stream has no number of frames, so every
        pair is a clip of its own, with the cap per frame of Qwen's own pipeline.
        """
        smallest, largest = area_bounds(preprocessing)
        least = smallest or MIN_TOKENS * factor**2
        share = (largest or MAX_TOKENS_PER_FRAME * factor**2) // self.frames_per_block
        most = max(min(MAX_TOKENS_PER_FRAME * factor**2, share), int(1.05 * least))
        most = max_pixels_per_frame or most
        return PixelLimits(factor, min(least / self.frames_per_block, most), most, enlarges_narrow=True)

    def block(self, group: FrameGroup, features: Tensor, levels: Sequence[Tensor]) -> VisualBlock:
        """Stamp, start, visual tokens, end; visual tokens are numbered first, so that a stamp's length shifts none."""
        times = (group.elapsed_ms[0], group.elapsed_ms[-1])
        stamp = self._stamp(sum(times) / len(times) / 1000)
        embeds = torch.cat((stamp, self._start, features, self._end))
        before, visual = stamp.shape[0] + 1, features.shape[0]
        text = torch.arange(before, dtype=torch.int32, device=self.device)
        places = self.places(group) + before
        end = places.amax() + 1
        deepstack = embeds.new_zeros((len(levels), *embeds.shape))
        for level, added in zip(deepstack, levels, strict=True):
            level[before : before + visual] = added
        return VisualBlock(
            embeds,
            frames=len(group.pixels),
            elapsed_ms=group.elapsed_ms[0],
            offsets=torch.cat((text[:, None].expand(-1, 3), places, end.expand(1, 3))),
            patches=torch.cat((text + visual, torch.arange(visual, device=self.device), text[-1:] + visual + 1)).int(),
            deepstack=deepstack,
            shows_from=before,
        )

    def _stamp(self, seconds: float) -> Tensor:
        return self.embed_text(f"<{seconds:.1f} seconds>")
