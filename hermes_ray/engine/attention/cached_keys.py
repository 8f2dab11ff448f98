"""Keys as attention and the policies want them, whichever way the slab holds them.

Un-rotated keys are what this engine is built on: a re-numbered token costs nothing and stays exact for ever. Rotated
ones, as most caches hold them, are there to compare with: whenever a memory is compacted, its keys are turned back,
turned anew and rounded.
"""

from dataclasses import replace

from torch import Tensor

from hermes_ray.memory.slab import KVSlab
from hermes_ray.memory.view import MemoryView, at_least_float32
from hermes_ray.models.parts.rotary import RotaryTable, turned


def read_rotated(
    slab: KVSlab,
    rotary: RotaryTable,
    layers: int | slice,
    slots: int | list[int] | slice,
    held: slice,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Keys at the positions of their tokens.

    Args:
        slab: where they are.
        rotary: the model's.
        layers: which layers.
        slots: which slots.
        held: which tokens of each.
        out: where to write them; by default a new tensor, or slices of the slab that are not to be written.

    Returns:
        ``[..., kv_heads, tokens, head_dim]``, with one dimension in front for each of ``layers`` and ``slots`` that is
        not a number.
    """
    keys = slab.keys[layers, slots, :, held]
    if slab.keys_rotated:
        return keys if out is None else out.copy_(keys)
    return turned(keys, *rotary.angles(slab.positions[layers, slots, held]), out=out)


def unrotated(view: MemoryView, rotary: RotaryTable) -> MemoryView:
    """A memory from a slab of rotated keys as the policies see it: keys un-rotated, in at least float32."""
    return replace(view, keys=rotary.unrotate(at_least_float32(view.keys), view.positions))


def rotated(view: MemoryView, rotary: RotaryTable, like: Tensor) -> MemoryView:
    """The inverse of :func:`unrotated`; keys are rounded to the dtype of ``like``."""
    return replace(view, keys=rotary.rotate(view.keys, view.positions).to(like.dtype))
