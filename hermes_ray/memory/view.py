"""One stream's visual tokens, as the memory policies see them."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

SUMMARY = -1
"""Frame and patch number of a token that stands for many evicted ones and so belongs to no single frame."""


@dataclass(frozen=True, slots=True)
class MemoryView:
    """The visual tokens of one stream in every layer, oldest first, the protected prefix excluded.

    All layers hold the same number N of tokens; *which* tokens differs by layer.

    Several streams of equally many tokens make one view together (:meth:`KVSlab.views`): it has a row for each layer
    of each stream, those of one layer beside one another, where a view of one stream has a row for each layer.

    Attributes:
        keys: [layers, kv_heads, N, head_dim], before the rotary embedding.
        values: [layers, kv_heads, N, head_dim], same dtype as ``keys``.
        positions: [layers, N, axes] integers, axes 1, or 3 (time, height, width) under M-RoPE.
        frames: [layers, N] int32, the stream-wide number of the frame that each token comes from;
            :data:`SUMMARY` for a summary token.
        patches: [layers, N] int32, the token's place in its frame, row by row. (frame, patch) is the token's
            identity: unique within a layer, the same in every layer. Negative for a token made by merging.
        counts: [layers, N] int32, how many tokens of the stream it stands for; 1 for an ordinary one.
    """

    keys: Tensor
    values: Tensor
    positions: Tensor
    frames: Tensor
    patches: Tensor
    counts: Tensor

    @property
    def rows(self) -> int:
        """Decoder layers, times streams if it holds several."""
        return self.frames.shape[0]

    @property
    def tokens(self) -> int:
        """Visual tokens per layer, N."""
        return self.frames.shape[1]

    @property
    def device(self) -> torch.device:
        """Where all six tensors live."""
        return self.frames.device

    def gather(self, indices: Tensor) -> "MemoryView":
        """Pick tokens by index, in the order given.

        Args:
            indices: [rows, M] int64, indices into N, each row its own.

        Returns:
            A view of M tokens in newly allocated tensors.
        """
        keys, values = self.gather_vectors(indices)
        axes = self.positions.shape[2]
        return MemoryView(
            keys=keys,
            values=values,
            positions=self.positions.gather(1, indices[..., None].expand(-1, -1, axes)),
            frames=self.frames.gather(1, indices),
            patches=self.patches.gather(1, indices),
            counts=self.counts.gather(1, indices),
        )

    def gather_vectors(self, indices: Tensor, *, heads_together: bool = False) -> tuple[Tensor, Tensor]:
        """Keys and values of :meth:`gather` alone; in memory a token's heads may lie together, or a head's tokens."""
        keys, values = self.keys, self.values
        if not _regular(keys) or keys.stride() != values.stride():
            keys, values = keys.contiguous(), values.contiguous()
        places = _places(keys, indices)
        if heads_together:
            places = places.transpose(1, 2)
        picked = _picked(keys, places), _picked(values, places)
        return (picked[0].transpose(1, 2), picked[1].transpose(1, 2)) if heads_together else picked

    def newest(self, count: int) -> "MemoryView":
        """The last ``count`` tokens of every layer, as slices that share memory with this view."""
        return self.span(max(self.tokens - count, 0), self.tokens)

    def span(self, start: int, stop: int) -> "MemoryView":
        """Tokens ``start`` to ``stop`` of every layer, as slices that share memory with this view."""
        return MemoryView(
            keys=self.keys[:, :, start:stop],
            values=self.values[:, :, start:stop],
            positions=self.positions[:, start:stop],
            frames=self.frames[:, start:stop],
            patches=self.patches[:, start:stop],
            counts=self.counts[:, start:stop],
        )

    def in_rows(self, rows: slice) -> "MemoryView":
        """The tokens of some rows, as slices that share memory with this view."""
        return MemoryView(
            keys=self.keys[rows],
            values=self.values[rows],
            positions=self.positions[rows],
            frames=self.frames[rows],
            patches=self.patches[rows],
            counts=self.counts[rows],
        )

    def with_positions(self, positions: Tensor) -> "MemoryView":
        """The same tokens at other positions ([layers, N, axes])."""
        return replace(self, positions=positions)


def at_least_float32(vectors: Tensor) -> Tensor:
    """The same numbers in a dtype fit for sums: float32, or wider if they are wider."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def norms(vectors: Tensor) -> Tensor:
    """L2 norms of [..., head_dim], in at least float32: [...]."""
    return torch.linalg.vector_norm(vectors, dim=-1, dtype=torch.promote_types(vectors.dtype, torch.float32))


def copied(view: MemoryView, device: torch.device | str | None = None) -> MemoryView:
    """The same tokens in tensors of their own, on ``device`` (by default where they are)."""
    place = view.device if device is None else device
    return MemoryView(**{f.name: getattr(view, f.name).to(place, copy=True) for f in fields(MemoryView)})


def _regular(vectors: Tensor) -> bool:
    """Whether all vectors of [rows, kv_heads, N, head_dim] begin whole vectors apart, as in a slab."""
    size = vectors.shape[3]
    row, head, token, number = vectors.stride()
    return number == 1 and token == size and head % size == row % size == 0 and head > 0 and row > 0


def _places(vectors: Tensor, indices: Tensor) -> Tensor:
    """Where the picked vectors lie, counted in vectors from the first one: [rows, kv_heads, M] int64."""
    row, head = (stride // vectors.shape[3] for stride in vectors.stride()[:2])
    rows = torch.arange(0, row * vectors.shape[0], row, device=indices.device)[:, None, None]
    heads = torch.arange(0, head * vectors.shape[1], head, device=indices.device)[:, None]
    return rows + heads + indices[:, None]


def _picked(vectors: Tensor, places: Tensor) -> Tensor:
    """Vectors at places ([...]), [..., head_dim]. Copied whole, which is faster than number by number."""
    rows, heads, tokens, size = vectors.shape
    row, head, _, _ = vectors.stride()
    reach = ((rows - 1) * row + (heads - 1) * head) // size + tokens
    table = vectors.as_strided((reach, size), (size, 1))
    return table.index_select(0, places.flatten()).view(*places.shape, size)
