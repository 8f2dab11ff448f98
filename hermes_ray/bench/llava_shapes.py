"""The sizes of LLaVA-OneVision (Li et al., arXiv 2408.03326) as it was published, and of the bundled model."""

from transformers import Qwen2Config, SiglipVisionConfig

from hermes_ray.models.tiny.architecture import MAX_POSITIONS

TOKENS_PER_FRAME = 196
"""What LLaVA-OneVision pools a video frame to: 14 x 14."""
_ROPE = {"rope_type": "default", "rope_theta": 1_000_000.0}


def language_05b(*, layers: int = 24, vocabulary: int = 152_000) -> Qwen2Config:
    """The language model of ``llava-onevision-qwen2-0.5b-ov``.

    Args:
        layers: fewer make a smaller model for trying things out.
        vocabulary: likewise.
    """
    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=layers,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters=_ROPE,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def language_7b() -> Qwen2Config:
    """The language model of ``llava-onevision-qwen2-7b-ov``."""
    return Qwen2Config(
        vocab_size=152_064,
        hidden_size=3584,
        intermediate_size=18_944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        max_position_embeddings=MAX_POSITIONS,
        rope_parameters=_ROPE,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def vision() -> SiglipVisionConfig:
    """The vision tower of both: SigLIP so400m, 384 pixels, without the last layer, which they do not use."""
    return SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=26,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
        vision_use_head=False,
    )
