"""What one failure may end: the question or the stream that it is about, unless the device itself is unusable."""

from collections.abc import Callable, Sequence
from traceback import clear_frames
from typing import TypeVar

import torch

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_T = TypeVar("_T")
_DEVICE_ERRORS: tuple[type[BaseException], ...] = tuple(filter(None, (getattr(torch, "AcceleratorError", None),)))


def is_devices_end(error: Exception) -> bool:
    """Whether nothing can be computed on the device any more. After a CUDA error every further call fails as well."""
    return isinstance(error, _DEVICE_ERRORS) or "CUDA error" in str(error)


def together_or_each(
    items: Sequence[_T], work: Callable[[Sequence[_T]], None], undo: Callable[[Sequence[_T]], None]
) -> list[tuple[_T, Exception]]:
    """Do work for all at once; if that fails, for each by itself, so that only the guilty fail.

    Args:
        items: at least one.
        work: does it for some of them.
        undo: takes back what a failed call of ``work`` has done for them.

    Returns:
        Those that fail by themselves too, with their error; what they had done is taken back.

    Raises:
        Exception: the device is unusable, or is out of memory even for one of them and for that twice.
    """
    error = _attempt(items, work, undo)
    if isinstance(error, torch.OutOfMemoryError) and len(items) == 1:
        torch.cuda.empty_cache()  # what torch keeps for later
        error = _attempt(items, work, undo)
        if isinstance(error, torch.OutOfMemoryError):
            raise error
    if error is None:
        return []
    if len(items) == 1:
        return [(items[0], error)]
    log.error("failed together, each goes on by itself", exc_info=error, items=len(items))
    return [failed for item in items for failed in together_or_each([item], work, undo)]


def let_go(error: Exception) -> None:
    """Drop the tensors that a caught error holds by its frames, before anything is tried that may need their room."""
    clear_frames(error.__traceback__)


def _attempt(
    items: Sequence[_T], work: Callable[[Sequence[_T]], None], undo: Callable[[Sequence[_T]], None]
) -> Exception | None:
    """What went wrong, if anything did."""
    try:
        work(items)
    except Exception as error:
        if is_devices_end(error):
            raise
        let_go(error)
        undo(items)
        return error
    return None
