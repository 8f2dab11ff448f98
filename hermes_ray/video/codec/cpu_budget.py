"""How much of a processor decoding one payload may take, whatever its size and number of pictures are."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermes_ray.errors import MediaTooLarge

_LEAST_SECONDS_OF_VIDEO = 1.0


class CpuBudget:
    """Counts the calling thread's CPU time inside :meth:`spending`.

    Not wall time: a busy machine would refuse what it takes on a quiet one, and a record that is read again after a
    failure must give the same frames.

    Args:
        load: CPU seconds for each second of video; a payload shorter than one second has one second's worth.
        cpu_s: the clock, CPU seconds of the calling thread.
    """

    def __init__(self, load: float, cpu_s: Callable[[], float] = time.thread_time) -> None:
        self._load = load
        self._cpu_s = cpu_s
        self._allowed_s = load * _LEAST_SECONDS_OF_VIDEO
        self._spent_s = 0.0

    def lasts(self, seconds: float) -> None:
        """Take note of how much video there is."""
        self._allowed_s = self._load * max(_LEAST_SECONDS_OF_VIDEO, seconds)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what happens inside.

        Raises:
            MediaTooLarge: at the end, once the budget is used up.
        """
        began_s = self._cpu_s()
        yield
        self._spent_s += self._cpu_s() - began_s
        if self._spent_s > self._allowed_s:
            raise MediaTooLarge(
                f"decoding takes more than {self._allowed_s:.3g} s of CPU time, which is too much for so little video; "
                f"send fewer or smaller pictures, or raise video.max_decode_load"
            )
