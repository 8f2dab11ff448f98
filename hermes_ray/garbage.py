"""Loading what stays, without looking for garbage among it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading_for_good() -> Iterator[None]:
    """Load modules.

    Python looks for cycles of garbage again and again while many objects are made. Of loading torch and transformers
    that is a fifth of the processor time, and it finds next to nothing. So it does not look meanwhile, and what is
    there at the end is left out of every later search too (:func:`gc.freeze`): with those two libraries, a full one
    stops all threads for a fifth of a second.

    For the start of a process of ours, and for seconds: cycles that become garbage in the block are never found, nor
    those of other threads. Several threads may be in it at once; the first to leave ends the pause. Where nobody looked
    before, nobody does afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()
