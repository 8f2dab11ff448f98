"""Choosing the next token from logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.transfer import read_back


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest logit and its token."""

    logit: float
    token: int


def peaks(logits: Sequence[Tensor]) -> list[Peak]:
    """The likeliest token of each ``[vocabulary]``. Waits for the device once, however many they are."""
    largest, tokens = torch.stack(list(logits)).max(dim=-1)
    found = read_back(torch.stack((largest.double(), tokens.double())))  # float64 holds any token id
    return [Peak(logit, int(token)) for logit, token in zip(*found.tolist(), strict=True)]


def choose(
    logits: Tensor, peak: Peak, temperature: float, generator: torch.Generator | None, top_p: float = 1.0
) -> int:
    """Pick a token.

    Args:
        logits: ``[vocabulary]`` float32.
        peak: theirs.
        temperature: 0 takes the likeliest; above 0 samples from softmax(logits / temperature).
        generator: on the CPU; needed when the temperature is above 0.
        top_p: samples among the fewest likeliest tokens that together have at least this probability (nucleus
            sampling, arXiv 1904.09751), 0 to 1.

    Returns:
        The token id.

    Raises:
        ArithmeticError: the logits hold NaN or plus infinity, or nothing finite.
    """
    if not math.isfinite(peak.logit):
        raise ArithmeticError(f"the largest logit is {peak.logit}")
    if temperature == 0:
        return peak.token
    # Below the peak and in float64, so that no temperature above 0 makes a quotient that softmax cannot take.
    probabilities = ((logits - peak.logit).double() / temperature).softmax(dim=-1)
    return int(torch.multinomial(_nucleus(read_back(probabilities), top_p), 1, generator=generator))


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    if top_p >= 1:
        return probabilities
    likeliest, order = probabilities.sort(descending=True, stable=True)
    # Those before it do not have enough yet; so the likeliest always stays.
    kept = order[likeliest.cumsum(dim=-1) - likeliest < top_p] if top_p > 0 else order[:1]
    return torch.zeros_like(probabilities).index_copy(0, kept, probabilities[kept])


def new_generator(seed: int | None) -> torch.Generator:
    """A generator for one answer: repeatable with a seed, fresh without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
