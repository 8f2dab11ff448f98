"""Attention to pieces of the keys, each by itself, joined afterwards (Flash-Decoding, Dao et al. 2023).

A few tokens cannot keep a GPU busy otherwise, since one block of threads walks along all keys of a head.
"""

import torch
from torch import Tensor

MOST_PIECES = 8


def cut(seen: Tensor, pieces: int) -> Tensor:
    """Lengths of the pieces of runs of keys, from ``[rows]`` int64: ``[rows, pieces]``, empty ones at the end."""
    size = -(-seen[:, None] // pieces)
    return (seen[:, None] - size * torch.arange(pieces, device=seen.device)).clamp(min=0).minimum(size)


def joined(attended: Tensor, sums: Tensor) -> Tensor:
    """What was attended in each piece as if there were one.

    Args:
        attended: ``[sequences, pieces, group, head_dim]``.
        sums: logarithms of the sums of the scores' exponentials, ``[sequences, pieces, group]`` float32; infinite for a
            piece without keys.

    Returns:
        ``[sequences, group, head_dim]`` in the dtype of ``attended``.
    """
    shares = sums.masked_fill(sums.isinf(), -torch.inf).softmax(dim=1)[..., None]
    return (attended * shares).sum(dim=1).to(attended.dtype)


def ends(lengths: Tensor) -> Tensor:
    """0, and behind each of some runs."""
    return torch.cat((lengths.new_zeros(1), lengths)).cumsum(0)
