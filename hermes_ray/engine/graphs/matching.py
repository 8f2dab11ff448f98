"""Whether a captured pass computes what the eager one does."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hermes_ray.errors import GraphMismatch

TOLERANCE: Mapping[torch.dtype, float] = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest relative difference, as Euclidean norms. Both passes round differently, layer after layer; an index or a
length that is wrong makes a difference of about 1."""


def check(name: str, captured: Tensor, eager: Tensor, dtype: torch.dtype) -> None:
    """Compare results of the same shape.

    Args:
        name: of the pass, for people.
        captured: the graph's.
        eager: the expected.
        dtype: what the model computes in.

    Raises:
        GraphMismatch: they differ by more than :data:`TOLERANCE`.
    """
    difference = float((captured.double() - eager.double()).norm() / eager.double().norm())
    if not difference <= TOLERANCE[dtype]:
        raise GraphMismatch(
            f"the CUDA graph of {name} differs from the eager pass by {difference:.1e} (relative), more than "
            f"{TOLERANCE[dtype]:.0e}; set engine.cuda_graphs to off, and report it with your versions of torch and CUDA"
        )
