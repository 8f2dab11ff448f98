"""Random streams to test memories with: the same frames as tensors and as the oracle's tokens."""

from dataclasses import dataclass

import numpy as np
import torch
from oracle import Layer, Token

from hermes_ray.memory.positions import largest, next_position
from hermes_ray.memory.view import MemoryView, concatenate


@dataclass
class Stream:
    """A camera that gives frames of ``rows`` x ``columns`` patches with random keys and values."""

    layers: int = 4
    heads: int = 2
    head_dim: int = 4
    rows: int = 2
    columns: int = 3
    axes: int = 1
    first: int = 7
    seed: int = 0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.frames = 0

    @property
    def patches(self) -> int:
        return self.rows * self.columns

    def attention(self, tokens: int) -> torch.Tensor:
        return torch.from_numpy(self.random.random((self.layers, tokens), dtype=np.float32))

    def empty(self) -> MemoryView:
        vectors = torch.empty(self.layers, self.heads, 0, self.head_dim, dtype=self.dtype)
        ints = torch.empty(self.layers, 0, dtype=torch.int32)
        positions = torch.empty(self.layers, 0, self.axes, dtype=torch.int64)
        return MemoryView(vectors, vectors, positions, ints, ints, ints)

    def watch(self, view: MemoryView, frames: int) -> MemoryView:
        """The memory after more frames, which all layers get behind their own newest position."""
        for _ in range(frames):
            view = concatenate(view, self._frame(view))
        return view

    def _frame(self, view: MemoryView) -> MemoryView:
        shape = (self.layers, self.heads, self.patches, self.head_dim)
        ones = torch.ones(self.layers, self.patches, dtype=torch.int32)
        patches = torch.arange(self.patches, dtype=torch.int32).expand(self.layers, -1)
        self.frames += 1
        return MemoryView(
            keys=torch.from_numpy(self.random.normal(size=shape)).to(self.dtype),
            values=torch.from_numpy(self.random.normal(size=shape)).to(self.dtype),
            positions=self._positions(view),
            frames=ones * (self.frames - 1),
            patches=patches,
            counts=ones,
        )

    def _positions(self, view: MemoryView) -> torch.Tensor:
        steps = torch.arange(self.patches)
        if self.axes == 1:
            return (next_position(view.positions, self.first)[:, None] + steps)[:, :, None]
        time = (largest(view.positions, self.first)[:, :1] + 1).expand(-1, self.patches)
        row = (self.first + steps // self.columns).expand(self.layers, -1)
        column = (self.first + steps % self.columns).expand(self.layers, -1)
        return torch.stack((time, row, column), dim=-1)


def tokens(view: MemoryView) -> list[Layer]:
    """The same memory as the oracle's tokens."""
    return [
        [
            Token(
                identity=(int(view.frames[depth, i]), int(view.patches[depth, i])),
                key=view.keys[depth, :, i].double().numpy(),
                value=view.values[depth, :, i].double().numpy(),
                position=tuple(view.positions[depth, i].tolist()),
                count=int(view.counts[depth, i]),
            )
            for i in range(view.tokens)
        ]
        for depth in range(view.layers)
    ]
