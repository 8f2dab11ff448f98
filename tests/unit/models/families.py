"""Small random Qwen vision-language models in transformers' own classes, saved as complete directories."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Digits, Sequence, Whitespace
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

PATCH_PX = 4
TOKEN_PX = 2 * PATCH_PX
"""Side of what one visual token covers."""
MAX_TOKENS_PER_FRAME = 24
TOKENS_PER_SECOND = 2
HIDDEN = 64
LAYERS = 6

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>", "<unk>")  # fmt: skip
WORDS = ("system", "user", "assistant", "you", "are", "helpful", "what", "is", "in", "view", "now", "who", "came",
         "did", "the", "a", "red", "car", "dog", "?", ".", "<", ">", "seconds", *"0123456789")  # fmt: skip
VOCABULARY = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}

# The shape of the families' own: a system turn unless one is given, and the video framed by its two tokens.
CHAT_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nyou are helpful .<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_VISION = {
    "depth": 3,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 48,
    "patch_size": PATCH_PX,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
    "out_hidden_size": HIDDEN,
    "initializer_range": 0.2,
}
_TEXT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "bos_token_id": None,
    "eos_token_id": VOCABULARY["<|im_end|>"],
    # Large enough that attention is far from even: a wrong position must show in the logits.
    "initializer_range": 0.2,
}
_TOKENS = {
    "image_token_id": VOCABULARY["<|image_pad|>"],
    "video_token_id": VOCABULARY["<|video_pad|>"],
    "vision_start_token_id": VOCABULARY["<|vision_start|>"],
    "vision_end_token_id": VOCABULARY["<|vision_end|>"],
}


def build_qwen2_5_vl(**text: object) -> Qwen2_5_VLForConditionalGeneration:
    """Windowed vision attention in two of three layers, as in the real one; three runs of rotary frequencies."""
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        text_config={**_TEXT, "rope_parameters": rope, **text},
        vision_config={
            **_VISION,
            "window_size": 2 * TOKEN_PX,
            "fullatt_block_indexes": [1],
            "tokens_per_second": TOKENS_PER_SECOND,
        },
        **_TOKENS,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def build_qwen3_vl(**text: object) -> Qwen3VLForConditionalGeneration:
    """Deepstack from two depths of the vision tower; interleaved rotary frequencies."""
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config={**_TEXT, "head_dim": 16, "rope_parameters": rope, **text},
        vision_config={**_VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]},
        **_TOKENS,
    )
    return Qwen3VLForConditionalGeneration(config)


BUILDERS: dict[str, Callable[..., PreTrainedModel]] = {"qwen2_5_vl": build_qwen2_5_vl, "qwen3_vl": build_qwen3_vl}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Words, and digits one by one, as the families' tokenizers cut numbers."""
    tokenizer = Tokenizer(WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Sequence([Whitespace(), Digits(individual_digits=True)])
    tokenizer.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        chat_template=CHAT_TEMPLATE,
    )


def preprocessing(family: str) -> dict[str, object]:
    """The video preprocessing file: areas of one frame, or for Qwen3-VL of a whole clip."""
    frames = 2 if family == "qwen3_vl" else 1
    return {
        "size": {
            "shortest_edge": frames * 2 * TOKEN_PX**2,
            "longest_edge": frames * MAX_TOKENS_PER_FRAME * TOKEN_PX**2,
        },
        "resample": 3,
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
    }


def save(family: str, directory: Path, seed: int = 7, **text: object) -> Path:
    """Write a complete model directory with random float32 weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BUILDERS[family](**text)
    model.generation_config = GenerationConfig(
        eos_token_id=VOCABULARY["<|im_end|>"], pad_token_id=VOCABULARY["<|endoftext|>"], do_sample=False
    )
    model.save_pretrained(directory)
    build_tokenizer().save_pretrained(directory)
    (directory / "video_preprocessor_config.json").write_text(json.dumps(preprocessing(family)), encoding="utf-8")
    return directory
