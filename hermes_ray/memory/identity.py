"""Finding a token again, and sums over tokens that belong together. Nothing here waits for the device."""

import torch
from torch import Tensor


def identities(frames: Tensor, patches: Tensor) -> Tensor:
    """One number per token from its frame and patch: [rows, N] int64, unique within a row for ordinary tokens."""
    return (frames.long() << 32) | patches.long()


def find(wanted: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
    """Look numbers up, row by row.

    Args:
        wanted: [rows, M] int64.
        held: [rows, N] int64, in any order, N at least 1.

    Returns:
        [rows, M] int64, an index into ``held`` (any valid one where there is no match), and [rows, M] bool,
        whether there is a match.
    """
    ordered, origin = held.sort(dim=1, stable=True)
    place = torch.searchsorted(ordered, wanted.contiguous()).clamp_(max=held.shape[1] - 1)
    return origin.gather(1, place), ordered.gather(1, place) == wanted


def group_sum(numbers: Tensor, groups: Tensor) -> Tensor:
    """Sum over each group, given back to every member.

    Args:
        numbers: [rows, N].
        groups: [rows, N] int64 in 0..N-1.

    Returns:
        [rows, N].
    """
    totals = torch.zeros_like(numbers).scatter_add_(1, groups, numbers)
    return totals.gather(1, groups)


def group_vector_sum(vectors: Tensor, groups: Tensor) -> Tensor:
    """Sum vectors over each group.

    Args:
        vectors: [rows, kv_heads, N, head_dim].
        groups: [rows, N] int64 in 0..N-1.

    Returns:
        [rows, kv_heads, N, head_dim]; index N is the group's number.
    """
    index = groups[:, None, :, None].expand_as(vectors)
    return torch.zeros_like(vectors).scatter_add_(2, index, vectors)
