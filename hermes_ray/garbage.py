"""Loading what stays, without looking for garbage among it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading_for_good() -> Iterator[None]:
    """Load modules, or build what lives as long as the process.

    Python looks for cycles of garbage again and again while many objects are made: of loading torch, transformers and a
    model that is a fifth of the processor time, and finds next to nothing. So it does not look meanwhile, and what is
    there at the end is left out of every later search too, each of which would stop all threads for a fifth of a second
    (:func:`gc.freeze`).

    For the start of a process of ours: whatever the process has at the end of the block is never found to be garbage
    unless its references say so. Several threads may be in it at once; the first to leave ends the pause. Where nobody
    looked before, nobody does afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()
