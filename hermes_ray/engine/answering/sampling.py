"""Choosing the next token from logits."""

import math

import torch
from torch import Tensor


def choose(logits: Tensor, temperature: float, generator: torch.Generator | None) -> int:
    """Pick a token.

    Args:
        logits: ``[vocabulary]`` float32.
        temperature: 0 takes the likeliest; above 0 samples from softmax(logits / temperature).
        generator: on the CPU; needed when the temperature is above 0.

    Returns:
        The token id.

    Raises:
        ArithmeticError: the logits hold NaN or plus infinity, or nothing finite.
    """
    peak, token = logits.max(dim=-1)
    if not math.isfinite(peak):
        raise ArithmeticError(f"the largest logit is {float(peak)}")
    if temperature == 0:
        return int(token)
    # Below the peak and in float64, so that no temperature above 0 makes a quotient that softmax cannot take.
    probabilities = ((logits - peak).double() / temperature).softmax(dim=-1)
    return int(torch.multinomial(probabilities.cpu(), 1, generator=generator))


def new_generator(seed: int | None) -> torch.Generator:
    """A generator for one answer: repeatable with a seed, fresh without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
