"""Random weights for models whose speed is measured: their words mean nothing."""

import torch
from torch import Tensor, nn

_BLOCK_NUMBERS = 1_000_003
"""Random numbers that all weights repeat: drawing each afresh takes longer than some figures. Prime, so that the rows
of a matrix differ."""
_SPREAD = 0.02


def fill(model: nn.Module, generator: torch.Generator) -> None:
    """Replace all weights, on the generator's device; normalisations scale by one.

    Args:
        model: whose weights may be unset.
        generator: of the numbers.
    """
    block = torch.randn(_BLOCK_NUMBERS, generator=generator, device=generator.device) * _SPREAD
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
            torch.nn.init.ones_(parameter)
        else:
            parameter.data.copy_(_tiled(block.to(parameter.dtype), parameter.shape))


def _tiled(block: Tensor, shape: torch.Size) -> Tensor:
    """A block of numbers, repeated as often as a tensor of this shape needs."""
    count = shape.numel()
    return block.repeat(-(-count // block.numel()))[:count].view(shape)
