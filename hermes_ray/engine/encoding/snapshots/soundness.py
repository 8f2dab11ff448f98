"""Whether what a file says can be true: shapes, kinds and ranges of its numbers."""

from torch import Tensor, dtype

from hermes_ray.errors import SnapshotError

_MOST_WHOLE = 2**53
"""The largest integer that JSON carries everywhere (RFC 8259, section 6)."""


def expect(name: str, tensor: Tensor, shape: tuple[int, ...], *dtypes: dtype) -> None:
    """Refuse a tensor of another shape, or of none of these kinds of numbers, with SnapshotError."""
    if tuple(tensor.shape) != shape or tensor.dtype not in dtypes:
        raise SnapshotError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, and {dtypes[0]} {shape} is needed here")


def within(name: str, tensor: Tensor, least: int, most: int) -> None:
    """Refuse a tensor with numbers outside a range, ends included, with SnapshotError."""
    if tensor.numel() and (tensor.min() < least or tensor.max() > most):
        raise SnapshotError(f"{name} holds numbers that are not within {least} and {most}")


def whole(name: str, value: object, most: int = _MOST_WHOLE) -> int:
    """Refuse what is no whole number from 0 on, or larger than ``most``, with SnapshotError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SnapshotError(f"{name} is no whole number from 0 on")
    if value > most:
        raise SnapshotError(f"{name} is {value}, and {most} is the most that makes sense")
    return value


def moments(name: str, tensor: Tensor) -> None:
    """Refuse capture times, ms since epoch, that cannot be, with SnapshotError."""
    within(name, tensor, 0, _MOST_WHOLE)
