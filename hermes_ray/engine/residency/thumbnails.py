"""Pictures of the frames that one memory holds tokens of, within a budget of bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView

_CROWDED = 1024
"""So many frames are noted before anybody asks which of them the memory still holds."""
INDEX, BYTES = "thumbnails.index", "thumbnails.jpeg"
_NEVER_MADE = -1


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What is kept of one frame for people to look at.

    Attributes:
        group: number of the first frame of its group, under which the memory holds its tokens; most often its own.
        until: number of the last frame behind it that showed nothing new; its own if there is none.
        captured_ms: when it was captured, ms since epoch.
        jpeg: the picture; empty where it had to go for the budget, ``None`` where none was made.
    """

    group: int
    until: int
    captured_ms: int
    jpeg: bytes | None

    @property
    def size(self) -> int:
        """Bytes of the picture."""
        return len(self.jpeg or b"")


class Thumbnails:
    """Thumbnails by frame number. They are no part of what a question sees.

    Which frames the memory still holds is found out when that matters, and not at each compaction, since the device
    has to be waited for: when it gets crowded, when somebody looks, and whenever the memory is copied anyhow.

    Where ``max_bytes`` are not enough, those pictures go first of whose frames the deep layers hold least, since
    evidence comes from there; among equals the older ones. The newest picture always stays.

    Of frames that showed nothing new only the newest that brought a picture keeps it, until the next one does; those
    behind it look like it, and those before it like the frame that they repeat.

    Args:
        max_bytes: of all pictures together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._by_frame: dict[int, Thumbnail] = {}  # in the order in which pictures have to go
        self._bytes = 0
        self._newest = -1
        self._newest_unchanged: tuple[int, Thumbnail] | None = None
        self._repeated_while_spilled: tuple[int, int] | None = None
        self._judged = 0
        self._limit = _CROWDED
        self.spilled = False

    @property
    def max_bytes(self) -> int:
        """The budget; 0 where no pictures are kept."""
        return self._max_bytes

    @property
    def crowded(self) -> bool:
        """Whether some have to go, or it is time to ask which are still needed."""
        return self._bytes > self._max_bytes or len(self._by_frame) > self._limit

    def of(self, frame: int) -> tuple[int, Thumbnail] | None:
        """What is kept of a frame, or of the one that it repeats, with that one's number.

        ``None`` if the memory held nothing of it when last asked.
        """
        if self._newest_unchanged is not None and self._newest_unchanged[0] <= frame:
            return self._newest_unchanged
        if frame in self._by_frame:
            return frame, self._by_frame[frame]
        return next((item for item in self._by_frame.items() if item[0] < frame <= item[1].until), None)

    def add(self, frame: int, thumbnail: Thumbnail) -> None:
        """Note the newest frame, which is encoded or held back."""
        if self._max_bytes == 0:
            return
        self._newest_unchanged = None
        self._by_frame[frame] = thumbnail
        self._bytes += thumbnail.size
        self._newest = frame

    def add_unchanged(self, frame: int, captured_ms: int, jpeg: bytes | None) -> None:
        """Note the newest frame, which shows nothing that the one noted before it does not."""
        shown = self._by_frame.get(self._newest)
        if shown is not None:
            self._by_frame[self._newest] = replace(shown, until=frame)
        elif self.spilled:
            self._repeated_while_spilled = self._newest, frame
        else:
            return
        group = self._newest if shown is None else shown.group
        if jpeg:
            self._newest_unchanged = frame, Thumbnail(group, frame, captured_ms, jpeg)

    def is_behind(self, compactions: int) -> bool:
        """Whether the memory was compacted since :meth:`keep` was told what it holds."""
        return self._judged != compactions

    def keep(self, view: MemoryView, newest_from: int, compactions: int) -> None:
        """Forget all frames but those of the memory and those from ``newest_from`` on, which wait for their group.

        Args:
            view: the memory; its device is waited for.
            newest_from: number of the next frame to be encoded.
            compactions: how often the memory was compacted by now.
        """
        self._judged = compactions
        if not self._by_frame:
            return
        deep_from = layout(view.rows).long_term_from
        numbers, times = view.frames[deep_from:].unique(return_counts=True)
        held = dict.fromkeys(view.frames[:deep_from].unique().tolist(), 0)
        held |= dict(zip(numbers.tolist(), times.tolist(), strict=True))

        def rank(item: tuple[int, Thumbnail]) -> tuple[int, int, int]:
            frame, thumbnail = item
            waits = frame >= newest_from
            return waits, 0 if waits else held[thumbnail.group], frame

        kept = [item for item in self._by_frame.items() if item[0] >= newest_from or item[1].group in held]
        self._replace(dict(sorted(kept, key=rank)))

    def thin_out(self) -> None:
        """Let pictures go until the rest is within the budget; their frames stay noted."""
        self._limit = max(_CROWDED, 2 * len(self._by_frame))
        if self._bytes <= self._max_bytes:
            return
        for frame, thumbnail in self._by_frame.items():
            if thumbnail.size and frame != self._newest:
                self._by_frame[frame] = replace(thumbnail, jpeg=b"")
                self._bytes -= thumbnail.size
                if self._bytes <= self._max_bytes:
                    return

    def to_tensors(self) -> Mapping[str, Tensor]:
        """All of them, as what can be attached to a snapshot; :meth:`load` reads it.

        Returns:
            ``thumbnails.index``: ``[frames, 5]`` int64: number, group, until, capture time, and bytes of the picture,
            -1 where none was made; ``thumbnails.jpeg``: ``[bytes]`` uint8, the pictures one behind the other.
        """
        if self._max_bytes == 0:
            return {}
        rows = [
            (frame, kept.group, kept.until, kept.captured_ms, _NEVER_MADE if kept.jpeg is None else kept.size)
            for frame, kept in self._by_frame.items()
        ]
        pictures = bytearray().join(kept.jpeg or b"" for kept in self._by_frame.values())
        return {
            INDEX: torch.tensor(rows, dtype=torch.int64).reshape(-1, 5),
            BYTES: torch.frombuffer(pictures, dtype=torch.uint8) if pictures else torch.empty(0, dtype=torch.uint8),
        }

    def load(self, attached: Mapping[str, Tensor], view: MemoryView, newest: int = -1) -> None:
        """Take in what :meth:`to_tensors` gave, behind which newer ones may have come.

        Args:
            attached: of a snapshot; one that was made without pictures has none of them.
            view: the memory of the snapshot, on the CPU.
            newest: number of the newest frame that is encoded or held back, where no newer ones were noted here.
        """
        self.spilled = False
        if self._max_bytes == 0:
            return
        older = _loaded(attached) if INDEX in attached else _unseen(view)
        if self._repeated_while_spilled is not None:
            frame, until = self._repeated_while_spilled
            if frame in older:
                older[frame] = replace(older[frame], until=until)
            self._repeated_while_spilled = None
        self._replace(older | self._by_frame)
        self._newest = max(self._newest, newest)
        self.thin_out()

    def spill(self) -> None:
        """They are on disk now, with their memory, until :meth:`load` brings them back."""
        self._replace({})
        self._newest_unchanged = None
        self.spilled = self._max_bytes > 0

    def _replace(self, by_frame: dict[int, Thumbnail]) -> None:
        self._by_frame = by_frame
        self._bytes = sum(thumbnail.size for thumbnail in by_frame.values())


def _loaded(attached: Mapping[str, Tensor]) -> dict[int, Thumbnail]:
    pictures = attached[BYTES].numpy().tobytes()
    loaded, end = {}, 0
    for frame, group, until, captured_ms, size in attached[INDEX].tolist():
        begin, end = end, end + max(size, 0)
        jpeg = None if size == _NEVER_MADE else pictures[begin:end]
        loaded[frame] = Thumbnail(group, until, captured_ms, jpeg)
    return loaded


def _unseen(view: MemoryView) -> dict[int, Thumbnail]:
    """The frames of a memory whose pictures nobody kept."""
    return {frame: Thumbnail(frame, frame, 0, None) for frame in view.frames.unique().tolist() if frame >= 0}
