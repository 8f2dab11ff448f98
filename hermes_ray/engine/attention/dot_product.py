"""Attention over a cache that is ours: grouped queries, a mask of what each token may see, and observed weights.

The query heads that share a key/value head (GQA) are laid one after the other along the token axis, so that neither
keys nor values are repeated in memory. Masks are laid out alike, once for all layers of a pass.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def additive_mask(visible: Tensor, group: int, dtype: torch.dtype) -> Tensor:
    """What each token may see, as numbers to add to its scores: 0, or minus infinity for what is hidden.

    Args:
        visible: ``[batch, tokens, cached]`` bool; every token must see at least one key.
        group: query heads that share a key/value head.
        dtype: the queries'.

    Returns:
        ``[batch, 1, group * tokens, cached]``.
    """
    hidden = torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, -torch.inf)
    return hidden[:, None].expand(-1, group, -1, -1).flatten(1, 2)[:, None]


def causal_mask(tokens: int, cached: int, group: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What the last tokens of a cache see of it: everything before them, and themselves. Made on the device.

    Args:
        tokens: how many they are.
        cached: tokens of the cache, these included.
        group: query heads that share a key/value head.
        dtype: the queries'.
        device: the queries'.

    Returns:
        ``[1, 1, group * tokens, cached]``, as :func:`additive_mask`.
    """
    hidden = torch.full((tokens, cached), -torch.inf, dtype=dtype, device=device).triu_(cached - tokens + 1)
    return hidden.repeat(group, 1)[None, None]


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scaling: float) -> Tensor:
    """Masked attention.

    Args:
        queries: ``[batch, heads, tokens, head_dim]``, rotated.
        keys: ``[batch, kv_heads, cached, head_dim]``, rotated.
        values: ``[batch, kv_heads, cached, head_dim]``.
        mask: from :func:`additive_mask`.
        scaling: factor on the scores, usually ``head_dim ** -0.5``.

    Returns:
        ``[batch, heads, tokens, head_dim]``.
    """
    folded = _folded(queries, keys)
    return scaled_dot_product_attention(folded, keys, values, attn_mask=mask, scale=scaling).reshape(queries.shape)


def attention_weights(queries: Tensor, keys: Tensor, mask: Tensor, scaling: float) -> Tensor:
    """The softmax weights themselves, for the few tokens that are observed. Arguments as for :func:`attend`.

    Returns:
        ``[batch, kv_heads, group * tokens, cached]`` float32; rows sum to 1.
    """
    scores = torch.matmul(_folded(queries, keys), keys.transpose(-1, -2)).float()
    return torch.add(mask, scores, alpha=scaling).softmax(dim=-1)


def _folded(queries: Tensor, keys: Tensor) -> Tensor:
    """``[batch, kv_heads, group * tokens, head_dim]``."""
    return queries.reshape(*keys.shape[:2], -1, queries.shape[-1])
