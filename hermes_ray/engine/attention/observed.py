"""Attention of tokens that are not in any slot, and what it looked at: plain steps, so that the weights are known.

Scores become weights in place: on a CPU, fresh memory for each step takes as long as the step.
"""

import torch
from torch import Tensor


def attend_observed(
    queries: Tensor, held: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor], mask: Tensor, scaling: float
) -> tuple[Tensor, Tensor]:
    """Attend to all that a slot holds, and causally to one another.

    Args:
        queries: ``[heads, tokens, head_dim]``, rotated.
        held: keys, rotated, and values of the slot, ``[kv_heads, held, head_dim]`` each.
        own: the tokens' own, ``[kv_heads, tokens, head_dim]`` each.
        mask: what the tokens see of one another, ``[group * tokens, tokens]`` float32, added to their scores.
        scaling: factor on the scores.

    Returns:
        What was attended, ``[tokens, heads, head_dim]``, and the mean over heads and tokens of the softmax weight on
        each token of the slot, ``[held]`` float32.
    """
    keys, values = (torch.cat(both, dim=1) for both in zip(held, own, strict=True))
    kv_heads, _, head_dim = keys.shape
    weights = torch.bmm(queries.reshape(kv_heads, -1, head_dim), keys.transpose(1, 2)).float().mul_(scaling)
    alone = held[0].shape[1]
    weights[:, :, alone:] += mask
    torch.softmax(weights, dim=-1, out=weights)
    attended = torch.bmm(weights.to(values.dtype), values).view(queries.shape).transpose(0, 1)
    return attended, weights.mean(dim=(0, 1))[:alone]
