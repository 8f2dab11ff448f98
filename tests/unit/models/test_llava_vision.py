"""LLaVA-OneVision's frames become the tokens that transformers' own model makes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray import models
from hermes_ray.models import FrameGroup, tiny
from hermes_ray.models.families.pooling import pooling_matrix
from hermes_ray.models.tiny.architecture import build_config


@pytest.mark.parametrize("layer", [-1, [-2, -1]], ids=str)
def test_tokens_of_a_frame_are_those_of_transformers(tmp_path: Path, layer: int | list[int]) -> None:
    config = build_config()
    config.vision_feature_layer = layer
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(tiny.save_random(tmp_path))
    theirs = LlavaOnevisionForConditionalGeneration.from_pretrained(tmp_path).eval()
    adapter = models.load(tmp_path, device="cpu")
    pictures = [np.random.default_rng(seed).integers(0, 256, (72, 72, 3), dtype=np.uint8) for seed in range(3)]

    with torch.inference_mode():
        blocks = adapter.encode([FrameGroup((adapter.preprocess(picture),), (0,)) for picture in pictures])
        pixels = torch.stack([torch.from_numpy(picture).permute(2, 0, 1).float() / 255 for picture in pictures])
        expected = theirs.model.get_video_features((pixels[None] - 0.5) / 0.5).pooler_output[0][:-1]

    assert [block.tokens for block in blocks] == [adapter.max_tokens_per_block] * 3
    torch.testing.assert_close(torch.cat([block.embeds for block in blocks]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", [6, 27])  # hermes-tiny's; and the published models', which is odd
def test_pooling_is_transformers_interpolation(side: int) -> None:
    features = torch.randn((2, side * side, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    config = build_config()
    config.vision_config.image_size, config.vision_config.patch_size = side, 1
    with torch.device("meta"):
        theirs = LlavaOnevisionForConditionalGeneration(config)
    pooled = pooling_matrix(side, torch.float64, torch.device("cpu")) @ features
    torch.testing.assert_close(pooled, theirs.model.apply_pooling(features), rtol=0, atol=1e-5)
