"""When the frames of one memory were captured, for as long as it may hold anything of them."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from hermes_ray.memory.transfer import read_back
from hermes_ray.memory.view import MemoryView

_CROWDED = 1024
"""So many frames are noted before anybody asks which of them the memory still holds."""


class CaptureTimes:
    """Capture times by frame number. Sixteen bytes a frame; those of forgotten frames go when it gets crowded.

    Args:
        frames: numbers, ascending.
        ms: their capture times, ms since epoch.
    """

    def __init__(self, frames: Iterable[int] = (), ms: Iterable[int] = ()) -> None:
        self._frames = array("q", frames)
        self._ms = array("q", ms)
        self._limit = max(_CROWDED, 2 * len(self._frames))

    @property
    def frames(self) -> Sequence[int]:
        """The numbers of the noted frames, ascending."""
        return self._frames

    @property
    def ms(self) -> Sequence[int]:
        """Their capture times, ms since epoch. They follow the camera's clock, which may have been set back."""
        return self._ms

    @property
    def crowded(self) -> bool:
        """Whether :meth:`keep` is due: seldom enough that it may wait for the device."""
        return len(self._frames) > self._limit

    def extend(self, first: int, ms: Sequence[int]) -> None:
        """Note consecutive frames, of which ``first`` is the number of the first, behind those that are noted."""
        self._frames.extend(range(first, first + len(ms)))
        self._ms.extend(ms)

    def of(self, frame: int) -> int | None:
        """When a frame was captured, ms since epoch; ``None`` if it is not noted."""
        index = bisect_left(self._frames, frame)
        return self._ms[index] if index < len(self._frames) and self._frames[index] == frame else None

    def frozen(self) -> "CaptureTimes":
        """The same times, of which none is forgotten later. Costs no copy: :meth:`keep` makes new arrays."""
        same = CaptureTimes()
        same._frames, same._ms = self._frames, self._ms
        return same

    def keep(self, view: MemoryView, newest_from: int) -> None:
        """Forget all frames but those of the memory and those from ``newest_from`` on, which wait for their group."""
        held = set(read_back(view.frames).unique().tolist())
        kept = [index for index, frame in enumerate(self._frames) if frame >= newest_from or frame in held]
        self._frames = array("q", (self._frames[index] for index in kept))
        self._ms = array("q", (self._ms[index] for index in kept))
        self._limit = max(_CROWDED, 2 * len(kept))
