"""What Qwen2.5-VL (arXiv 2502.13923) and Qwen3-VL (arXiv 2511.21631) share, over transformers' own classes.

Pictures keep their shape: each is resized to whole patches near its own size and becomes as many tokens as it has
2x2 groups of patches. Two frames are joined to one temporal patch, so a block is a pair of frames. Every pair is given
to the vision tower as a clip of its own; its attention never crosses pairs, so this is what a longer clip computes.
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hermes_ray.models.adapter import FrameGroup, GuidanceTexts, ModelAdapter, VisualBlock
from hermes_ray.models.parts.chat import Turn, split_template, stop_ids
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.pixels import normalisation, read_preprocessing
from hermes_ray.models.parts.resizing import PixelLimits
from hermes_ray.models.parts.rotary import RotaryTable, frequency_axes
from hermes_ray.models.parts.vocabulary import GENERAL_EXAMPLES

AXES = 3
"""Numbers of one position under M-RoPE: time, height, width."""
MAX_TOKENS_PER_FRAME = 768
"""Where the caller sets no limit: what Qwen's own video pipeline (qwen-vl-utils) allows one frame."""
MIN_TOKENS = 128
"""Where the model's files say nothing: what the families' processors enlarge to."""


class QwenVLAdapter(ModelAdapter):
    """One loaded Qwen vision-language model.

    Args:
        name: what the caller asked for.
        model: in evaluation mode, on its device.
        tokenizer: with a chat template.
        directory: holds the preprocessing configuration.
        guidance: pseudo-questions of the memory policies.
        is_meaningful: false for random weights.
        examples: questions that it understands.
        max_pixels_per_frame: the most pixels that a frame keeps; ``None`` for the family's own limit.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        directory: Path,
        *,
        guidance: GuidanceTexts,
        is_meaningful: bool = True,
        examples: tuple[str, ...] = GENERAL_EXAMPLES,
        max_pixels_per_frame: int | None = None,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.guidance = guidance
        self.is_meaningful = is_meaningful
        self.examples = examples
        self._model = model
        self.decoder = Decoder(model.model.language_model, model.lm_head, axes=AXES)
        self.rotary = RotaryTable(
            self.decoder.rotary,
            self.decoder.shape.max_positions,
            axis_of=frequency_axes(self.decoder.rotary, AXES, self.device),
            dtype=self.dtype,
            device=self.device,
        )
        vision = model.config.vision_config
        self.frames_per_block = int(vision.temporal_patch_size)
        self._patch = int(vision.patch_size)
        self._merge = int(vision.spatial_merge_size)
        preprocessing = read_preprocessing(directory)
        self._normalise = normalisation(preprocessing)
        self._limits = self.pixel_limits(preprocessing, self._patch * self._merge, max_pixels_per_frame)
        self._chat = split_template(tokenizer, model.config.video_token_id)

    @abstractmethod
    def pixel_limits(self, preprocessing: dict[str, Any], factor: int, max_pixels_per_frame: int | None) -> PixelLimits:
        """What a frame is resized to, from the model's preprocessing file and the caller's limit.

        Args:
            preprocessing: the file's content.
            factor: what one token covers, pixels.
            max_pixels_per_frame: the caller's limit, which wins over the file and the family.
        """

    @abstractmethod
    def block(self, group: FrameGroup, features: Tensor, levels: Sequence[Tensor]) -> VisualBlock:
        """Lay out one group.

        Args:
            group: the frames.
            features: ``[rows * columns, hidden]``, what the projector made of them, row by row.
            levels: for DeepStack, the same of earlier layers of the tower.
        """

    @property
    def stop_ids(self) -> frozenset[int]:
        """The end-of-sequence ids of the model's generation settings."""
        return stop_ids(self._model, self.tokenizer)

    @property
    def max_visual_tokens(self) -> int:
        """The most tokens that the pixels of a block become."""
        return self._limits.max_tokens

    def prefix(self) -> Tensor:
        """System prompt and template up to and with ``<|vision_start|>``, ``[tokens, hidden]``."""
        return self.embed_text(self._chat.before_video)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Resize a picture to whole patches within the pixel limits: ``[3, height, width]`` uint8.

        Raises:
            UnsupportedMedia: one side is more than 200 times the other.
        """
        height, width = self._limits.fit(image.shape[0], image.shape[1])
        return self._normalise.resized(image, height, width)

    def may_wait(self, shape: tuple[int, ...]) -> bool:
        """Whether a shape is ``[3, height, width]`` of whole tokens, not more than a frame may have."""
        if len(shape) != 3 or shape[0] != 3 or self.frames_per_block == 1:
            return False
        rows, columns = shape[1] // self._limits.factor, shape[2] // self._limits.factor
        whole = shape[1:] == (rows * self._limits.factor, columns * self._limits.factor)
        return whole and 0 < rows * columns <= self._limits.max_tokens

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """Vision tower and projector, every group as a clip of one temporal patch."""
        patches = torch.cat([self._patchify(group) for group in groups])
        grid = torch.tensor([(1, *self._grid(group)) for group in groups], device=self.device)
        output = self._model.model.get_video_features(patches, grid)
        deepstack = getattr(output, "deepstack_features", None) or []
        return [
            self.block(group, features.to(self.dtype), [level[index].to(self.dtype) for level in deepstack])
            for index, (group, features) in enumerate(zip(groups, output.pooler_output, strict=True))
        ]

    def question(self, text: str, history: Sequence[Turn] = (), instructions: str | None = None) -> Tensor:
        """``<|vision_end|>``, the question, and the start of the assistant's turn."""
        return self.embed_text(self._chat.behind_video(text, history, instructions))

    def template(self) -> Tensor:
        """As :meth:`question`, without the question."""
        return self.embed_text(self._chat.behind_video(""))

    def grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """A frame keeps its shape: as many rows and columns as it has whole tokens."""
        return shape[1] // self._limits.factor, shape[2] // self._limits.factor

    def places(self, group: FrameGroup) -> Tensor:
        """Time, row and column of each visual token of a group: ``[rows * columns, 3]`` int32, time 0."""
        rows, columns = self.grid(tuple(group.pixels[0].shape))
        row = torch.arange(rows, dtype=torch.int32, device=self.device).repeat_interleave(columns)
        column = torch.arange(columns, dtype=torch.int32, device=self.device).repeat(rows)
        return torch.stack((torch.zeros_like(row), row, column), dim=1)

    def _grid(self, group: FrameGroup) -> tuple[int, int]:
        _, height, width = group.pixels[0].shape
        return height // self._patch, width // self._patch

    def _patchify(self, group: FrameGroup) -> Tensor:
        """Patches of a group as the tower reads them, those that it merges side by side.

        Returns:
            ``[patches, 3 * frames_per_block * patch * patch]`` float32.
        """
        missing = self.frames_per_block - len(group.pixels)
        frames = self._normalise.normalised([*group.pixels, *[group.pixels[-1]] * missing], self.device)
        rows, columns = self._grid(group)
        merge, patch = self._merge, self._patch
        frames = frames.view(
            len(frames), 3, rows // merge, merge, patch, columns // merge, merge, patch
        )  # time, channel, row of groups, row in it, pixel row, column of groups, column in it, pixel column
        return frames.permute(2, 5, 3, 6, 1, 0, 4, 7).reshape(rows * columns, -1)
