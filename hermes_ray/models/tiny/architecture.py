"""The architecture of `hermes-tiny`: LLaVA-OneVision in transformers' own classes, small enough for two CPU cores."""

import torch
from transformers import (
    GenerationConfig,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
)

from hermes_ray.models.tiny import vocabulary

IMAGE_SIZE_PX = 72
PATCH_SIZE_PX = 12
TOKENS_PER_SIDE = 3
"""LLaVA-OneVision pools each frame's 6x6 patches to 3x3 visual tokens; training is told where they lie."""
MAX_POSITIONS = 32768
IMAGE_MEAN = (0.5, 0.5, 0.5)
IMAGE_STD = (0.5, 0.5, 0.5)


def build_config() -> LlavaOnevisionConfig:
    """Return the configuration: about 2.2 M parameters, 9 tokens per frame.

    The 10 decoder layers are the fewest that give each memory tier a layer: 1 sensory, 6 working, 3 long-term.
    """
    ids = {word: index for index, word in enumerate(vocabulary.words())}
    vision = SiglipVisionConfig(
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=IMAGE_SIZE_PX,
        patch_size=PATCH_SIZE_PX,
        vision_use_head=False,
    )
    text = Qwen2Config(
        vocab_size=len(ids),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=10,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=ids[vocabulary.TURN_END],
        pad_token_id=ids[vocabulary.PAD],
    )
    return LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=ids[vocabulary.IMAGE],
        video_token_index=ids[vocabulary.VIDEO],
        image_grid_pinpoints=[[IMAGE_SIZE_PX, IMAGE_SIZE_PX]],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )


def build_model(seed: int, config: LlavaOnevisionConfig | None = None) -> LlavaOnevisionForConditionalGeneration:
    """Return the model with random float32 weights that depend on ``seed`` alone.

    Torch's global random generator is left as it was.

    Args:
        seed: of the weights.
        config: by default, :func:`build_config`'s; with the same vocabulary.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaOnevisionForConditionalGeneration(config or build_config())
    ids = vocabulary.words()
    model.generation_config = GenerationConfig(
        eos_token_id=ids.index(vocabulary.TURN_END), pad_token_id=ids.index(vocabulary.PAD), do_sample=False
    )
    return model.eval()
