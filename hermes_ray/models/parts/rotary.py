"""Rotary position embedding as a table, so that every layer and stream may have positions of its own.

The table is computed once by the model's own rotary module; rotating is then a gather and a few multiplications
(RoPE: Su et al., arXiv 2104.09864; multimodal sections: Qwen2-VL, arXiv 2409.12191).
"""

import torch
from torch import Tensor, nn

from hermes_ray.errors import UnsupportedModel

_LENGTH_DEPENDENT = ("dynamic", "longrope")


class RotaryTable:
    """Cosines and sines for positions 0 to ``positions`` - 1.

    Args:
        rotary: the model's rotary module; called once with the same position on every axis.
        positions: how many positions to hold.
        axis_of: for multimodal RoPE, which axis (0 time, 1 height, 2 width) each of the ``head_dim / 2``
            frequencies follows, ``[head_dim / 2]`` int64; ``None`` with one axis.
        dtype: the model's; transformers rounds cosines and sines to it, so the table does too.
        device: where to hold the table.

    Raises:
        UnsupportedModel: the module's frequencies depend on the sequence length, so that no table exists.
    """

    def __init__(
        self,
        rotary: nn.Module,
        positions: int,
        *,
        axis_of: Tensor | None = None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        kind = getattr(rotary, "rope_type", "default")
        if kind in _LENGTH_DEPENDENT:
            raise UnsupportedModel(f"rotary embedding of type {kind!r} changes with the sequence length")
        ids = torch.arange(positions, device=device)[None]
        if axis_of is not None:
            ids = ids.expand(3, 1, -1)
        cos, sin = rotary(torch.zeros((), dtype=dtype, device=device), ids)
        half = cos.shape[-1] // 2
        # Both halves of a head turn by the same angles; one is enough.
        self._cos = cos.reshape(positions, -1)[:, :half].contiguous()
        self._sin = sin.reshape(positions, -1)[:, :half].contiguous()
        self._axis_of = axis_of.to(device) if axis_of is not None else None
        self._frequency = torch.arange(half, device=device)

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines at ``positions`` ``[..., axes]`` (integers): twice ``[..., head_dim / 2]``."""
        if self._axis_of is None:
            rows = positions[..., 0].long()
            return self._cos[rows], self._sin[rows]
        rows = positions.long()[..., self._axis_of]
        return self._cos[rows, self._frequency], self._sin[rows, self._frequency]

    def rotate(self, states: Tensor, positions: Tensor) -> Tensor:
        """Rotate queries or keys.

        Args:
            states: ``[..., heads, tokens, head_dim]``.
            positions: ``[..., tokens, axes]`` integers below the table's size.

        Returns:
            A new tensor of the shape of ``states``.
        """
        return turned(states, *self.angles(positions))

    def unrotate(self, states: Tensor, positions: Tensor) -> Tensor:
        """Undo :meth:`rotate`, but for rounding.

        Args:
            states: ``[..., heads, tokens, head_dim]``, rotated.
            positions: ``[..., tokens, axes]``, at which they stand.

        Returns:
            A new tensor of the shape and dtype of ``states``.
        """
        cos, sin = (angles.to(states.dtype) for angles in self.angles(positions))
        # Rounded cosines and sines, or scaled ones, turn by a little more or less than their length of one.
        length = cos.square() + sin.square()
        return turned(states, cos / length, -sin / length)


def turned(states: Tensor, cos: Tensor, sin: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Rotate queries or keys by angles that are known already.

    Args:
        states: ``[..., heads, tokens, head_dim]``.
        cos: ``[..., tokens, head_dim / 2]``, from :meth:`RotaryTable.angles`.
        sin: likewise.
        out: where to write the result, of the shape of ``states`` and apart from it; by default a new tensor.

    Returns:
        The rotated states.
    """
    cos, sin = cos.unsqueeze(-3), sin.unsqueeze(-3)
    first, second = states.chunk(2, dim=-1)
    result = torch.empty_like(states) if out is None else out
    new_first, new_second = result.chunk(2, dim=-1)
    torch.mul(first, cos, out=new_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=new_second).addcmul_(first, sin)
    return result


def frequency_axes(rotary: nn.Module, axes: int, device: torch.device) -> Tensor:
    """Which axis of a multimodal position each frequency follows, asked of the model's own rotary module.

    Families cut their frequencies differently: Qwen2.5-VL in three runs, Qwen3-VL interleaved.

    Args:
        rotary: the model's rotary module.
        axes: numbers of one position.
        device: where the module is.

    Returns:
        ``[head_dim / 2]`` int64, for :class:`RotaryTable`.
    """
    # Token number a stands at position 1 on axis a and at 0 on the others: only what follows a has turned.
    positions = torch.eye(axes, dtype=torch.int64, device=device)[:, None]
    _, sin = rotary(torch.zeros((), dtype=torch.float32, device=device), positions)
    return sin[0, :, : sin.shape[-1] // 2].abs().argmax(dim=0)
