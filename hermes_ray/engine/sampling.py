"""Choosing the next token from logits."""

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
    """
    if temperature == 0:
        return int(logits.argmax())
    probabilities = (logits / temperature).softmax(dim=-1)
    return int(torch.multinomial(probabilities.cpu(), 1, generator=generator))


def new_generator(seed: int | None) -> torch.Generator:
    """A generator for one answer: repeatable with a seed, fresh without."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
