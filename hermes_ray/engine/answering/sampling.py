"""Choosing the next token from logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest logit and its token."""

    logit: float
    token: int


def peaks(logits: Sequence[Tensor]) -> list[Peak]:
    """The likeliest token of each ``[vocabulary]``. Waits for the device once, however many they are."""
    largest, tokens = torch.stack(list(logits)).max(dim=-1)
    return [Peak(logit, token) for logit, token in zip(largest.tolist(), tokens.tolist(), strict=True)]


def choose(logits: Tensor, peak: Peak, temperature: float, generator: torch.Generator | None) -> int:
    """Pick a token.

    Args:
        logits: ``[vocabulary]`` float32.
        peak: theirs.
        temperature: 0 takes the likeliest; above 0 samples from softmax(logits / temperature).
        generator: on the CPU; needed when the temperature is above 0.

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
    return int(torch.multinomial(probabilities.cpu(), 1, generator=generator))


def new_generator(seed: int | None) -> torch.Generator:
    """A generator for one answer: repeatable with a seed, fresh without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
