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
    def layers(self) -> int:
        """Decoder layers."""
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
            indices: [layers, M] int64, indices into N, each layer its own.

        Returns:
            A view of M tokens in newly allocated tensors.
        """
        layer = torch.arange(self.layers, device=self.device)[:, None]
        head = torch.arange(self.keys.shape[1], device=self.device)[None, :, None]
        rows = (layer[:, :, None], head, indices[:, None, :])
        return MemoryView(
            keys=self.keys[rows],
            values=self.values[rows],
            positions=self.positions[layer, indices],
            frames=self.frames.gather(1, indices),
            patches=self.patches.gather(1, indices),
            counts=self.counts.gather(1, indices),
        )

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

    def in_layers(self, layers: slice) -> "MemoryView":
        """The tokens of some layers, as slices that share memory with this view."""
        return MemoryView(
            keys=self.keys[layers],
            values=self.values[layers],
            positions=self.positions[layers],
            frames=self.frames[layers],
            patches=self.patches[layers],
            counts=self.counts[layers],
        )

    def with_positions(self, positions: Tensor) -> "MemoryView":
        """The same tokens at other positions ([layers, N, axes])."""
        return replace(self, positions=positions)


def at_least_float32(vectors: Tensor) -> Tensor:
    """The same numbers in a dtype fit for sums: float32, or wider if they are wider."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def copied(view: MemoryView, device: torch.device | str | None = None) -> MemoryView:
    """The same tokens in tensors of their own, on ``device`` (by default where they are)."""
    place = view.device if device is None else device
    return MemoryView(**{f.name: getattr(view, f.name).to(place, copy=True) for f in fields(MemoryView)})
