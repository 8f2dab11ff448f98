"""Pictures of the frames that one memory holds tokens of, within a budget of bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.tiers import layout
from hermes_ray.memory.view import MemoryView

_CROWDED = 1024
"""So many frames are noted before anybody asks which of them the memory still holds."""
_INDEX, _BYTES = "thumbnails.index", "thumbnails.jpeg"
_NEVER_MADE = -1


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What is kept of one frame for people to look at.

    Attributes:
        group: number of the first frame of its group, under which the memory holds its tokens; most often its own.
        captured_ms: when it was captured, ms since epoch.
        jpeg: the picture; empty where it had to go for the budget, ``None`` where none was made.
    """

    group: int
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

    Args:
        max_bytes: of all pictures together; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._by_frame: dict[int, Thumbnail] = {}  # in the order in which pictures have to go
        self._bytes = 0
        self._newest = -1
        self._judged = 0
        self._limit = _CROWDED
        self.spilled = False

    @property
    def max_bytes(self) -> int:
        """The budget; 0 where no pictures are kept."""
        return self._max_bytes

    @property
    def bytes_held(self) -> int:
        """Bytes of all pictures that are here."""
        return self._bytes

    @property
    def crowded(self) -> bool:
        """Whether some have to go, or it is time to ask which are still needed."""
        return self._bytes > self._max_bytes or len(self._by_frame) > self._limit

    def of(self, frame: int) -> Thumbnail | None:
        """What is kept of a frame; ``None`` if the memory held nothing of it when last asked."""
        return self._by_frame.get(frame)

    def add(self, frame: int, thumbnail: Thumbnail) -> None:
        """Note the newest frame."""
        if self._max_bytes == 0:
            return
        self._by_frame[frame] = thumbnail
        self._bytes += thumbnail.size
        self._newest = frame

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
                self._by_frame[frame] = Thumbnail(thumbnail.group, thumbnail.captured_ms, b"")
                self._bytes -= thumbnail.size
                if self._bytes <= self._max_bytes:
                    return

    def to_tensors(self) -> Mapping[str, Tensor]:
        """All of them, as what can be attached to a snapshot; :meth:`load` reads it.

        Returns:
            ``thumbnails.index``: ``[frames, 4]`` int64: number, group, capture time, and bytes of the picture, -1
            where none was made; ``thumbnails.jpeg``: ``[bytes]`` uint8, the pictures one behind the other.
        """
        if self._max_bytes == 0:
            return {}
        rows = [
            (frame, kept.group, kept.captured_ms, _NEVER_MADE if kept.jpeg is None else kept.size)
            for frame, kept in self._by_frame.items()
        ]
        pictures = bytearray().join(kept.jpeg or b"" for kept in self._by_frame.values())
        return {
            _INDEX: torch.tensor(rows, dtype=torch.int64).reshape(-1, 4),
            _BYTES: torch.frombuffer(pictures, dtype=torch.uint8) if pictures else torch.empty(0, dtype=torch.uint8),
        }

    def load(self, attached: Mapping[str, Tensor], view: MemoryView) -> None:
        """Take in what :meth:`to_tensors` gave, behind which newer ones may have come.

        Args:
            attached: of a snapshot; one that was made without pictures has none of them.
            view: the memory of the snapshot, on the CPU.
        """
        if self._max_bytes == 0:
            return
        older = _loaded(attached) if _INDEX in attached else _unseen(view)
        self._replace(older | self._by_frame)
        self._newest = max(self._by_frame, default=-1)
        self.spilled = False
        self.thin_out()

    def spill(self) -> None:
        """They are on disk now, with their memory, until :meth:`load` brings them back."""
        self._replace({})
        self.spilled = True

    def _replace(self, by_frame: dict[int, Thumbnail]) -> None:
        self._by_frame = by_frame
        self._bytes = sum(thumbnail.size for thumbnail in by_frame.values())


def _loaded(attached: Mapping[str, Tensor]) -> dict[int, Thumbnail]:
    pictures = attached[_BYTES].numpy().tobytes()
    loaded, end = {}, 0
    for frame, group, captured_ms, size in attached[_INDEX].tolist():
        begin, end = end, end + max(size, 0)
        loaded[frame] = Thumbnail(group, captured_ms, None if size == _NEVER_MADE else pictures[begin:end])
    return loaded


def _unseen(view: MemoryView) -> dict[int, Thumbnail]:
    """The frames of a memory whose pictures nobody kept."""
    return {frame: Thumbnail(frame, 0, None) for frame in view.frames.unique().tolist() if frame >= 0}
