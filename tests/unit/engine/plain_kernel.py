"""In the place of FlashAttention and CUDA graphs, where there is no GPU: plain torch, and the same work once more."""

from collections.abc import Callable

import torch
from torch import Tensor

from hermes_ray.engine.attention.flash import Kernels
from hermes_ray.engine.capturing import Capturing


def part_softmax(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_ends: Tensor,
    key_ends: Tensor,
    longest_queries: int,
    longest_keys: int,
    scaling: float,
    causal: bool,
) -> tuple[Tensor, Tensor]:
    """In the kernel's place where there is no GPU: the same arguments, in plain torch."""
    assert (query_ends.dtype, key_ends.dtype) == (torch.int32, torch.int32)
    attended, group = torch.full_like(queries, torch.nan), queries.shape[1] // keys.shape[1]
    sums = torch.full(queries.shape[:2], torch.nan)
    for row in range(len(query_ends) - 1):
        mine, theirs = slice(*query_ends[row : row + 2].tolist()), slice(*key_ends[row : row + 2].tolist())
        tokens, held = mine.stop - mine.start, theirs.stop - theirs.start
        assert tokens <= longest_queries
        assert held <= longest_keys
        ours, all_values = (tensor[theirs].repeat_interleave(group, dim=1) for tensor in (keys, values))
        scores = torch.einsum("qhd,khd->hqk", queries[mine], ours) * scaling
        if causal:
            hidden = torch.arange(held)[None] > torch.arange(tokens)[:, None] + held - tokens
            scores = scores.masked_fill(hidden, -torch.inf)
        attended[mine] = torch.einsum("hqk,khd->qhd", scores.softmax(dim=-1), all_values)
        # As FlashAttention has it for a row without keys.
        sums[mine] = scores.logsumexp(dim=-1).T if held else torch.inf
    return attended, sums


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
    """The same over all that the queries see."""
    lengths = query_ends, key_ends, longest_queries, longest_keys
    return part_softmax(queries, keys, values, *lengths, scaling, True)[0]


PLAIN = Kernels(packed_softmax, part_softmax)


def again(work: Callable[[], None]) -> Callable[[], None]:
    """Nothing is captured: the work is done again, on the same buffers."""
    work()
    return work


WITHOUT_A_GPU = Capturing(again, PLAIN)
