"""Attention of one token per row to a cache of fixed size, as plain products, so that the weights are known.

A single token's attention only reads the cache. As products over all of it, what is not held masked, this takes a few
launches of any device's own libraries, and the time that reading takes.
"""

import torch
from torch import Tensor

CHUNK = 256
"""Columns of a cache come in multiples of it: values are summed up chunk by chunk, many at once."""


def beyond(lengths: Tensor, columns: int) -> Tensor:
    """Which columns a token does not see, ``[rows, 1, 1, columns]`` bool, from how many it sees, ``[rows]`` int64."""
    return (torch.arange(columns, device=lengths.device) >= lengths[:, None])[:, None, None]


def weights_on(queries: Tensor, keys: Tensor, hidden: Tensor, scaling: float) -> Tensor:
    """Softmax weights.

    Args:
        queries: ``[rows, kv_heads, group, head_dim]``, rotated.
        keys: ``[rows, kv_heads, columns, head_dim]``, rotated.
        hidden: from :func:`beyond`.
        scaling: factor on the scores.

    Returns:
        ``[rows, kv_heads, group, columns]`` float32.
    """
    flat, transposed = queries.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2)
    if flat.device.type == "cuda" and flat.dtype != torch.float32:
        # Scores of some models are large; rounded to 16 bits they would be off by more than their differences.
        scores = torch.bmm(flat, transposed, out_dtype=torch.float32)
    else:
        scores = torch.bmm(flat, transposed).float()
    scores = scores.view(*queries.shape[:2], *scores.shape[1:])
    return scores.mul_(scaling).masked_fill_(hidden, -torch.inf).softmax(dim=-1)


def weighted(weights: Tensor, values: Tensor) -> Tensor:
    """Sum of values.

    Args:
        weights: ``[rows, kv_heads, group, columns]``, from :func:`weights_on`.
        values: ``[rows, kv_heads, columns, head_dim]``; columns a multiple of :data:`CHUNK`.

    Returns:
        ``[rows, kv_heads, group, head_dim]`` in the dtype of ``values``.
    """
    parts = values.unflatten(2, (-1, CHUNK))
    chunks = weights.to(values.dtype).unflatten(3, (-1, CHUNK)).transpose(2, 3)
    return torch.matmul(chunks, parts).sum(dim=2, dtype=torch.float32).to(values.dtype)
