"""What a pass must read and compute at least, counted from the model's sizes."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hermes_ray.bench.engine.subject import Subject
from hermes_ray.models import FrameGroup


def token_bytes(subject: Subject, held: float, answers: int) -> float:
    """Bytes that one further token of each answer reads: the weights once, and the keys and values of every answer.

    Args:
        subject: the model.
        held: tokens that a layer of each memory holds.
        answers: read in one pass.
    """
    decoder = subject.adapter.decoder
    shape = decoder.shape
    per_token = 2 * shape.layers * shape.kv_heads * shape.head_dim * decoder.dtype.itemsize
    return (_layer_weights(subject) + _head_weights(subject)) * decoder.dtype.itemsize + answers * held * per_token


def frame_flops(subject: Subject, held: float) -> float:
    """Floating point operations of one frame: a multiplication and an addition are two.

    Args:
        subject: the model.
        held: tokens that a layer of its memory holds before.
    """
    shape, tokens = subject.adapter.decoder.shape, subject.adapter.max_tokens_per_block
    weights = 2 * _layer_weights(subject) * tokens
    # Queries on keys, and weights on values; a token sees on average half of its own frame.
    attention = 4 * shape.layers * shape.heads * shape.head_dim * tokens * (held + tokens / 2)
    per_block = weights + attention + (_vision_flops(subject) if subject.vision else 0)
    return per_block / subject.adapter.frames_per_block


def _layer_weights(subject: Subject) -> int:
    named = subject.adapter.decoder.named_parameters()
    return sum(weight.numel() for name, weight in named if "embed_tokens" not in name)


def _head_weights(subject: Subject) -> int:
    return sum(weight.numel() for weight in subject.adapter.decoder.lm_head.parameters())


def _vision_flops(subject: Subject) -> int:
    """Counted while one block is really encoded."""
    adapter = subject.adapter
    pixels = tuple(adapter.preprocess(subject.pictures[number]) for number in range(adapter.frames_per_block))
    # torch counts no fused attention on a CPU; the plain one is the same operations.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        adapter.encode([FrameGroup(pixels, tuple(500 * number for number in range(len(pixels))))])
    return counter.get_total_flops()
