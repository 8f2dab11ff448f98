"""Answers to choose from, scored by the probability that the model says one and then stops."""

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from hermes_ray.memory.transfer import read_back, to_device

Branches = tuple[tuple[int, ...], ...]


def cut(options: Sequence[tuple[int, ...]], room: int) -> list[Branches]:
    """Options that fit into one pass together: mostly all.

    Args:
        options: token ids of each, at most ``room``.
        room: tokens that a pass can hold behind the question.
    """
    passes: list[Branches] = []
    current: list[tuple[int, ...]] = []
    for option in options:
        if sum(map(len, current)) + len(option) > room:
            passes.append(tuple(current))
            current = []
        current.append(option)
    return [*passes, tuple(current)]


def probabilities(
    options: Sequence[tuple[int, ...]], asked: Tensor, behind: Tensor, stop_ids: Collection[int]
) -> list[float]:
    """How likely each option is among all.

    Args:
        options: token ids of each.
        asked: logits behind the question, ``[vocabulary]``.
        behind: logits behind every token of every option, in order, ``[tokens, vocabulary]``.
        stop_ids: token ids that end an answer.

    Raises:
        ArithmeticError: a logit is NaN or plus infinity.
    """
    scores: list[Tensor] = []
    lengths = [len(ids) for ids in options]
    tokens = to_device(torch.tensor([token for ids in options for token in ids]), behind.device)
    stops = to_device(torch.tensor(sorted(stop_ids)), behind.device)
    for ids, mine in zip(tokens.split(lengths), behind.split(lengths), strict=True):
        following = torch.cat((asked[None], mine)).log_softmax(dim=-1)
        said = following[:-1].gather(1, ids[:, None]).sum()
        scores.append(said + following[-1].index_select(0, stops).logsumexp(dim=0))
    likelihoods = read_back(torch.stack(scores).double())
    shares = likelihoods.softmax(dim=0).tolist()
    if not math.isfinite(sum(shares)):
        raise ArithmeticError(f"the options' log-likelihoods are {likelihoods.tolist()}")
    return shares
