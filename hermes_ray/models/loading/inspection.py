"""What a model is and needs, without reading its weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer

from hermes_ray.errors import MissingWeights, UnsupportedModel
from hermes_ray.memory.slab import SlabShape
from hermes_ray.models.adapter import GuidanceTexts
from hermes_ray.models.families.registry import family_of
from hermes_ray.models.parts.decoder import DecoderShape


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What memory a model's streams take.

    Attributes:
        family: transformers' ``model_type``.
        decoder: its sizes.
        prefix_tokens: before the first frame.
        tokens_per_block: of the largest group of frames.
        frames_per_block: frames of such a group.
    """

    family: str
    decoder: DecoderShape
    prefix_tokens: int
    tokens_per_block: int
    frames_per_block: int

    def slot_bytes(self, budget_tokens: int, dtype: torch.dtype) -> int:
        """Device memory of one stream with so many tokens of budget (docs/operator/sizing.md), bytes."""
        return self._slab(self.prefix_tokens + budget_tokens + self.tokens_per_block).nbytes(dtype)

    def seat_bytes(self, budget_tokens: int, text_tokens: int, dtype: torch.dtype) -> int:
        """Device memory of one answer in progress, whose question and answer have so many tokens at most, bytes."""
        return self._slab(self.prefix_tokens + budget_tokens + self.tokens_per_block + text_tokens).nbytes(dtype)

    def _slab(self, capacity: int) -> SlabShape:
        shape = self.decoder
        return SlabShape(shape.layers, 1, shape.kv_heads, capacity, shape.head_dim, shape.axes)


@torch.inference_mode()
def inspect(name: str, directory: Path, max_pixels_per_frame: int | None = None) -> ModelShape:
    """Build a model without weights and look at it: whatever would keep it from being loaded is found here, but them.

    Args:
        name: what to call it in messages.
        directory: holds its configuration, tokenizer and preprocessing.
        max_pixels_per_frame: as for :func:`hermes_ray.models.load`.

    Raises:
        MissingWeights: a file is missing or cannot be used.
        UnsupportedModel: its family, its attention, its positions or its chat template are not supported.
        ConfigError: a pixel limit for a family that has none.
    """
    family, config = family_of(directory)
    options = family.options(name, max_pixels_per_frame)
    try:
        with torch.device("meta"):
            model = family.model_class(config).eval()
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingWeights(f"{directory} is not a complete model directory: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise UnsupportedModel(f"{directory}: transformers cannot build this model: {error}") from error
    adapter = family.adapter(name, model, tokenizer, directory, guidance=GuidanceTexts(), **options)
    return ModelShape(
        family=adapter.family,
        decoder=adapter.decoder.shape,
        prefix_tokens=adapter.prefix().shape[0],
        tokens_per_block=adapter.max_tokens_per_block,
        frames_per_block=adapter.frames_per_block,
    )
