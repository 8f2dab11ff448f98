"""Integers that a captured pass reads: where things are, how long they are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hermes_ray.memory.transfer import bring


class Numbers:
    """Named int64 vectors at fixed places on a device, all brought there in one copy.

    Args:
        sizes: length of each.
        device: where.
    """

    def __init__(self, sizes: Mapping[str, int], device: torch.device) -> None:
        self._sizes = dict(sizes)
        self._all = torch.zeros(sum(sizes.values()), dtype=torch.int64, device=device)
        self._parts = dict(zip(sizes, self._all.split(list(sizes.values())), strict=True))

    def __getitem__(self, name: str) -> Tensor:
        """One of them, as the pass reads it."""
        return self._parts[name]

    def fill(self, values: Mapping[str, Tensor]) -> None:
        """Set all of them, from int64 vectors on the CPU."""
        assert {name: value.numel() for name, value in values.items()} == self._sizes, "every one, in full"
        bring(torch.cat([values[name].flatten() for name in self._sizes]), self._all)
