"""Attention of tokens that are not in any slot, and what it looked at.

The softmax runs over two parts, the slot and the tokens themselves, which share their largest score and their sum
(as in online softmax: Milakov and Gimelshein, arXiv 1805.02867). So neither keys nor values nor weights are joined, and
weights stay un-normalised: on a CPU this takes half as long as plain steps, most of whose time goes into fresh memory.
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
    (held_keys, held_values), (own_keys, own_values) = held, own
    kv_heads, _, head_dim = held_keys.shape
    folded = queries.reshape(kv_heads, -1, head_dim)
    to_held = torch.bmm(folded, held_keys.transpose(1, 2)).float().mul_(scaling)
    to_own = torch.bmm(folded, own_keys.transpose(1, 2)).float().mul_(scaling).add_(mask)
    largest = torch.maximum(to_held.amax(dim=-1, keepdim=True), to_own.amax(dim=-1, keepdim=True))
    to_held.sub_(largest).exp_()
    to_own.sub_(largest).exp_()
    share = (to_held.sum(dim=-1, keepdim=True) + to_own.sum(dim=-1, keepdim=True)).reciprocal_()
    attended = torch.bmm(to_held.to(held_values.dtype), held_values).float()
    attended += torch.bmm(to_own.to(own_values.dtype), own_values).float()
    attended = (attended * share).to(queries.dtype).view(queries.shape).transpose(0, 1)
    observed = torch.bmm(share.transpose(1, 2), to_held).mean(dim=(0, 1)) / folded.shape[1]
    return attended, observed
