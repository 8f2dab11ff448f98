"""LLaVA-OneVision (Li et al., arXiv 2408.03326) over transformers' own classes.

A video is laid out as transformers does it: the pooled tokens of every frame in order, then one ``image_newline``
embedding, then the text. A live video has no last frame, so the newline belongs to the question.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlavaOnevisionForConditionalGeneration, PreTrainedTokenizerBase

from hermes_ray.models.adapter import FixedSizeAdapter, FrameGroup, GuidanceTexts, VisualBlock
from hermes_ray.models.families.pooling import pooling_matrix
from hermes_ray.models.parts.chat import Turn, split_template, stop_ids
from hermes_ray.models.parts.decoder import Decoder
from hermes_ray.models.parts.pixels import normalisation, normalise, read_preprocessing
from hermes_ray.models.parts.rotary import RotaryTable
from hermes_ray.models.parts.vocabulary import GENERAL_EXAMPLES


class LlavaOnevisionAdapter(FixedSizeAdapter):
    """One loaded LLaVA-OneVision.

    Args:
        name: what the caller asked for.
        model: in evaluation mode, on its device.
        tokenizer: with a chat template.
        directory: holds the preprocessing configuration.
        guidance: pseudo-questions of the memory policies.
        is_meaningful: false for random weights.
        examples: questions that it understands.
    """

    family = "llava_onevision"

    def __init__(
        self,
        name: str,
        model: LlavaOnevisionForConditionalGeneration,
        tokenizer: PreTrainedTokenizerBase,
        directory: Path,
        *,
        guidance: GuidanceTexts,
        is_meaningful: bool = True,
        examples: tuple[str, ...] = GENERAL_EXAMPLES,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.guidance = guidance
        self.is_meaningful = is_meaningful
        self.examples = examples
        self._model: Any = model
        self.decoder = Decoder(model.model.language_model, model.lm_head)
        self.rotary = RotaryTable(
            self.decoder.rotary, self.decoder.shape.max_positions, dtype=self.dtype, device=self.device
        )
        self._normalise = normalisation(read_preprocessing(directory))
        self._statistics = self._normalise.statistics(self.device)
        vision: Any = model.config.vision_config
        self._side = int(vision.image_size)
        patches_per_side = self._side // int(vision.patch_size)
        self._pooling = pooling_matrix(patches_per_side, self.dtype, self.device)
        config: Any = model.config
        layers = config.vision_feature_layer
        self._vision_layers: list[int] = [layers] if isinstance(layers, int) else list(layers)
        self._without_first = config.vision_feature_select_strategy == "default"
        self._chat = split_template(tokenizer, model.config.video_token_id)

    @property
    def max_tokens_per_block(self) -> int:
        """Every frame becomes the same number of tokens: the pooled patches of a square picture."""
        return self._pooling.shape[0]

    @property
    def stop_ids(self) -> frozenset[int]:
        """The end-of-sequence ids of the model's generation settings."""
        return stop_ids(self._model, self.tokenizer)

    def prefix(self) -> Tensor:
        """System prompt and template before the first frame, ``[tokens, hidden]``."""
        return self.embed_text(self._chat.before_video)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Squash a picture to the tower's square: ``[3, side, side]`` uint8."""
        return self._normalise.resized(image, self._side, self._side)

    def encode(self, groups: Sequence[FrameGroup]) -> list[VisualBlock]:
        """Vision tower, projector and 2x2 pooling: transformers' ``get_video_features`` without its newline.

        Pooling comes before the projector's last linear layer instead of behind it: the same numbers but for rounding,
        for a quarter of the work.
        """
        pixels = self._normalise.normalised([group.pixels[0] for group in groups], self.device)
        return self.blocks(groups, self._projected(pixels))

    def features(self, pixels: Tensor) -> Tensor:
        """What :meth:`encode` makes of frames that are on the device: ``[frames, tokens, hidden]``."""
        return self._projected(normalise(pixels, self._statistics))

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """The tower's square, in three colours."""
        return 3, self._side, self._side

    def question(self, text: str, history: Sequence[Turn] = (), instructions: str | None = None) -> Tensor:
        """The newline that ends the video, the question, and the start of the assistant's turn."""
        return self._behind_video(self._chat.behind_video(text, history, instructions))

    def template(self) -> Tensor:
        """As :meth:`question`, without the question."""
        return self._behind_video(self._chat.behind_video(""))

    def _projected(self, pixels: Tensor) -> Tensor:
        projector = self._model.model.multi_modal_projector
        wide = projector.act(projector.linear_1(self._seen(pixels.to(self.dtype))))
        return projector.linear_2(self._pooling @ wide)

    def _seen(self, pixels: Tensor) -> Tensor:
        """The tower's output that the projector reads, ``[frames, patches, hidden]``."""
        tower = self._model.model.vision_tower
        states = tower(pixels, return_dict=True, output_hidden_states=True).hidden_states
        seen = torch.cat([states[layer] for layer in self._vision_layers], dim=-1)
        return seen[:, 1:] if self._without_first else seen

    def _behind_video(self, text: str) -> Tensor:
        newline = self._model.model.image_newline[None].to(self.dtype)
        return torch.cat((newline, self.embed_text(text)))
