"""Frames handed over together, and what their sender is told."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

from torch import Tensor

from hermes_ray.engine.contracts import StreamStats
from hermes_ray.engine.residency.reference import SmallPicture
from hermes_ray.errors import FramesFailed, HermesError


@dataclass(slots=True)
class FrameBatch:
    """Frames handed over together; ``applied`` resolves when a question would see the last of them.

    Attributes:
        pixels: preprocessed pictures; ``None`` where the sender found that the frame shows nothing new.
        ts_ms: their capture times.
        thumbnails: JPEG each, ``None`` where it could not be made; none if none are kept.
        small: how they are compared, one for each of ``pixels``; none if all of them are to be encoded.
        repeats: of each, the capture time of the frame that its sender has compared it with and found the same.
        applied: the stream's state with all of them in it.
        applied_frames: how many are in the memory so far.
        came_s: when they were handed over, ``perf_counter``.
    """

    pixels: list[Tensor | None]
    ts_ms: list[int]
    thumbnails: list[bytes | None] = field(default_factory=list)
    small: list[SmallPicture | None] = field(default_factory=list)
    repeats: list[int | None] = field(default_factory=list)
    applied: Future[StreamStats] = field(default_factory=Future)
    applied_frames: int = 0
    came_s: float = field(default_factory=perf_counter)

    def fail(self, error: Exception) -> None:
        """Tell the sender that no more of them will be applied; an error that is none of ours says how many are."""
        if not isinstance(error, HermesError):
            said = f"{type(error).__name__}: {error}"
            error = FramesFailed(f"the frames cannot be encoded: {said}", applied=self.applied_frames)
        self.applied.set_exception(error)


@dataclass(slots=True)
class WaitingFrame:
    """One of them, which waits for its step.

    Attributes:
        pixels: preprocessed; ``None`` if it shows what the frame before it shows, and so is not to be encoded.
        small: how it is compared with others; ``None`` where none is.
        is_left_out: it completes a group of which no place shows anything new (:func:`sift`).
    """

    pixels: Tensor | None
    ts_ms: int
    thumbnail: bytes | None
    batch: FrameBatch
    small: SmallPicture | None = None
    is_left_out: bool = False

    @property
    def is_new(self) -> bool:
        """Whether it is to be encoded, as far as it was known when it came."""
        return self.pixels is not None

    @property
    def is_encoded(self) -> bool:
        """Whether anything of it is encoded or held back."""
        return self.is_new and not self.is_left_out
