"""Muon for the layers' matrices, AdamW for everything else.

Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest semi-orthogonal matrix, found with a few
Newton-Schulz iterations; the scale that lets it share AdamW's learning rate and decay is that of Liu et al.,
"Muon is Scalable for LLM Training" (arXiv 2502.16982, section 2.2). On two CPU cores it pays: a step costs about a
tenth more and teaches clearly more.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_ITERATIONS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration: chosen by Jordan et al. to lift small singular values fastest."""
_ADAMW_RMS = 0.2  # root mean square of a typical AdamW update, in units of the learning rate


class Muon(torch.optim.Optimizer):
    """Muon over matrices; those of equal shape are orthogonalised together.

    Args:
        matrices: two-dimensional parameters.
        lr: learning rate, on AdamW's scale.
        weight_decay: decoupled, as in AdamW.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(list(matrices), {"lr": lr, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all matrices that have a gradient.

        Raises:
            ValueError: a closure was given; re-evaluation is not supported.
        """
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._update(matrices, group)
        return None

    def _update(self, matrices: list[nn.Parameter], group: dict[str, Any]) -> None:
        directions = torch.stack([self._direction(matrix) for matrix in matrices])
        scale = _ADAMW_RMS * max(matrices[0].shape) ** 0.5
        for matrix, update in zip(matrices, orthogonalise(directions), strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-group["lr"] * scale)

    def _direction(self, matrix: nn.Parameter) -> Tensor:
        assert matrix.grad is not None
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        momentum = state["momentum"].lerp_(matrix.grad, 1 - _MOMENTUM)
        return matrix.grad.lerp(momentum, _MOMENTUM)  # Nesterov's look ahead


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return approximately the nearest semi-orthogonal matrices, ``[count, rows, columns]``.

    Singular values come out between about 0.7 and 1.2, which serves as well as exactly 1.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


def build_optimisers(module: nn.Module, *, lr: float, weight_decay: float = 0.02) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the transformer layers and AdamW for the rest.

    Embeddings, the output layer, norms, biases, convolutions and auxiliary heads are the rest.
    """
    matrices, rest = [], []
    for name, parameter in module.named_parameters():
        (matrices if parameter.ndim == 2 and ".layers." in name else rest).append(parameter)
    return [
        Muon(matrices, lr, weight_decay),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay),
    ]
