"""Cutting a sequence into pieces (``itertools.batched``, which Python 3.11 lacks)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def batches(items: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Yield the items in pieces of ``size``, the last of which may be shorter; takes no item before it is needed."""
    rest = iter(items)
    while piece := tuple(islice(rest, size)):
        yield piece
