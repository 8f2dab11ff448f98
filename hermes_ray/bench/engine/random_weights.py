"""A LLaVA-OneVision of a given shape with random weights, made on its device: nothing is downloaded or copied there."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
)

from hermes_ray.bench.random_numbers import fill
from hermes_ray.models import GuidanceTexts
from hermes_ray.models.families.llava_onevision import LlavaOnevisionAdapter
from hermes_ray.models.tiny import vocabulary
from hermes_ray.models.tiny.architecture import IMAGE_MEAN, IMAGE_STD, MAX_POSITIONS, build_config
from hermes_ray.models.tiny.tokenizer import build_tokenizer


class RandomLlavaOnevision(LlavaOnevisionAdapter):
    """Its words mean nothing, and so no token ends an answer: all are as long as they may be."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """None."""
        return frozenset()


def random_llava_onevision(
    name: str,
    language: Qwen2Config | None,
    tower: SiglipVisionConfig | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    seed: int,
) -> RandomLlavaOnevision:
    """Build one with the bundled model's tokenizer, chat template and preprocessing.

    Args:
        name: what results call it.
        language: sizes of the decoder; ``None`` for the bundled model's.
        tower: sizes of the vision tower; ``None`` likewise.
        device: where the weights are made.
        dtype: of the weights.
        seed: the weights depend on it alone, and on the device.
    """
    config = _joined(language, tower)
    with torch.device("meta"):  # transformers' own initialisation takes minutes
        model: Any = LlavaOnevisionForConditionalGeneration(config)
    model = model.to(dtype=dtype).to_empty(device=device)
    model.tie_weights()
    fill(model, torch.Generator(device).manual_seed(seed))
    _restore_buffers(model)
    model.generation_config = GenerationConfig(do_sample=False)
    with TemporaryDirectory(prefix="hermes-bench-") as directory:
        preprocessing = {"image_mean": IMAGE_MEAN, "image_std": IMAGE_STD}
        Path(directory, "preprocessor_config.json").write_text(json.dumps(preprocessing), encoding="utf-8")
        return RandomLlavaOnevision(
            name,
            model.eval().requires_grad_(False),
            build_tokenizer(MAX_POSITIONS),
            Path(directory),
            guidance=GuidanceTexts(),
            is_meaningful=False,
        )


def _joined(language: Qwen2Config | None, tower: SiglipVisionConfig | None) -> LlavaOnevisionConfig:
    bundled = build_config()
    vision: Any = tower or bundled.vision_config
    ids = {word: number for number, word in enumerate(vocabulary.words())}
    text: Any = language or bundled.text_config
    text.eos_token_id, text.pad_token_id = ids[vocabulary.TURN_END], ids[vocabulary.PAD]
    return LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=ids[vocabulary.IMAGE],
        video_token_index=ids[vocabulary.VIDEO],
        image_grid_pinpoints=[[vision.image_size, vision.image_size]],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=text.tie_word_embeddings,
    )


def _restore_buffers(model: Any) -> None:
    """What the modules compute at construction came out of ``to_empty`` unset."""
    language = model.model.language_model
    language.rotary_emb = type(language.rotary_emb)(language.config).to(language.embed_tokens.weight.device)
    for module in model.model.vision_tower.modules():
        if hasattr(module, "position_ids"):
            module.position_ids = torch.arange(module.num_positions, device=module.position_ids.device)[None]
