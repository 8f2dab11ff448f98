"""Attention over packed rows in plain torch, where there is no GPU for FlashAttention."""

import torch
from torch import Tensor


def packed_softmax(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_ends: Tensor,
    key_ends: Tensor,
    longest_queries: int,
    longest_keys: int,
    scaling: float,
) -> Tensor:
    """In the kernel's place where there is no GPU: the same arguments, in plain torch."""
    assert (query_ends.dtype, key_ends.dtype) == (torch.int32, torch.int32)
    attended, group = torch.empty_like(queries), queries.shape[1] // keys.shape[1]
    for row in range(len(query_ends) - 1):
        mine, theirs = slice(*query_ends[row : row + 2].tolist()), slice(*key_ends[row : row + 2].tolist())
        tokens, held = mine.stop - mine.start, theirs.stop - theirs.start
        assert tokens <= longest_queries
        assert held <= longest_keys
        ours, all_values = (tensor[theirs].repeat_interleave(group, dim=1) for tensor in (keys, values))
        scores = torch.einsum("qhd,khd->hqk", queries[mine], ours) * scaling
        hidden = torch.arange(held)[None] > torch.arange(tokens)[:, None] + held - tokens
        weights = scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)
        attended[mine] = torch.einsum("hqk,khd->qhd", weights, all_values)
    return attended
