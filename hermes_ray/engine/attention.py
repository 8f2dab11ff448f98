"""Attention over a cache that is ours: grouped queries, a mask of what each token may see, and observed weights."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """Masked attention with grouped queries (GQA), without repeating keys or values in memory.

    The query heads that share a key/value head are laid one after the other along the token axis.

    Args:
        queries: ``[batch, heads, tokens, head_dim]``, rotated.
        keys: ``[batch, kv_heads, cached, head_dim]``, rotated.
        values: ``[batch, kv_heads, cached, head_dim]``.
        visible: ``[batch, tokens, cached]`` bool; every token must see at least one key.
        scaling: factor on the scores, usually ``head_dim ** -0.5``.

    Returns:
        ``[batch, heads, tokens, head_dim]``.
    """
    batch, heads, tokens, head_dim = queries.shape
    kv_heads = keys.shape[1]
    group = heads // kv_heads
    folded = queries.reshape(batch, kv_heads, group * tokens, head_dim)
    mask = visible[:, None].expand(-1, group, -1, -1).reshape(batch, 1, group * tokens, -1)
    attended = scaled_dot_product_attention(folded, keys, values, attn_mask=mask, scale=scaling)
    return attended.reshape(batch, heads, tokens, head_dim)


def attention_weights(queries: Tensor, keys: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """The softmax weights themselves, for the few rows that are observed.

    Args:
        queries: ``[..., heads, tokens, head_dim]``, rotated.
        keys: ``[..., kv_heads, cached, head_dim]``, rotated.
        visible: ``[..., tokens, cached]`` bool.
        scaling: factor on the scores.

    Returns:
        ``[..., heads, tokens, cached]`` float32; rows sum to 1.
    """
    grouped = queries.reshape(*keys.shape[:-2], -1, queries.shape[-1])
    scores = torch.matmul(grouped, keys.transpose(-1, -2)).float() * scaling
    scores = scores.view(*queries.shape[:-1], -1).masked_fill(~visible[..., None, :, :], -torch.inf)
    return scores.softmax(dim=-1)
