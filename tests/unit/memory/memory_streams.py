"""Random streams to test memories with: the same frames as tensors and as the oracle's tokens."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from oracle import Layer, Token

from hermes_ray.memory.view import MemoryView


@dataclass
class Stream:
    """A camera that gives frames of ``rows`` x ``columns`` patches with random keys and values.

    A share ``still`` of the frames looks almost like the frame before.
    """

    layers: int = 4
    heads: int = 2
    head_dim: int = 4
    rows: int = 2
    columns: int = 3
    axes: int = 1
    first: int = 7
    seed: int = 0
    dtype: torch.dtype = torch.float32
    still: float = 0.0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.frames = 0
        self.keys = np.zeros((self.layers, self.heads, self.patches, self.head_dim))

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
        moved = self.random.random() >= self.still
        noise = self.random.normal(size=shape)
        self.keys = noise if moved else self.keys + 0.05 * noise
        return MemoryView(
            keys=torch.from_numpy(self.keys).to(self.dtype),
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


def concatenate(older: MemoryView, newer: MemoryView) -> MemoryView:
    """The tokens of ``newer`` behind those of ``older``, in every layer."""
    pairs = {field.name: (getattr(older, field.name), getattr(newer, field.name)) for field in fields(MemoryView)}
    return MemoryView(**{n: torch.cat(pair, dim=2 if n in ("keys", "values") else 1) for n, pair in pairs.items()})


def largest(positions: torch.Tensor, first: int) -> torch.Tensor:
    """The largest position on each axis, ``first - 1`` for an empty memory: [layers, axes]."""
    if positions.shape[1] == 0:
        return positions.new_full((positions.shape[0], positions.shape[2]), first - 1)
    return positions.amax(dim=1)


def next_position(positions: torch.Tensor, first: int) -> torch.Tensor:
    """Where text behind the memory begins, or its first token in an empty one: [layers]."""
    return largest(positions, first).amax(dim=1) + 1


def tokens(view: MemoryView) -> list[Layer]:
    """The same memory as the oracle's tokens."""
    keys, values = (vectors.double().numpy() for vectors in (view.keys, view.values))
    frames, patches, positions, counts = (
        numbers.tolist() for numbers in (view.frames, view.patches, view.positions, view.counts)
    )
    return [
        [
            Token(
                identity=(frames[depth][i], patches[depth][i]),
                key=keys[depth, :, i],
                value=values[depth, :, i],
                position=tuple(positions[depth][i]),
                count=counts[depth][i],
            )
            for i in range(view.tokens)
        ]
        for depth in range(view.rows)
    ]


def assert_same(actual: list[Layer], expected: list[Layer]) -> None:
    for layer, wanted in zip(actual, expected, strict=True):
        assert [t.identity for t in layer] == [t.identity for t in wanted]
        assert [t.position for t in layer] == [t.position for t in wanted]
        assert [t.count for t in layer] == [t.count for t in wanted]
        np.testing.assert_allclose([t.key for t in layer], [t.key for t in wanted], atol=1e-5)
        np.testing.assert_allclose([t.value for t in layer], [t.value for t in wanted], atol=1e-5)
