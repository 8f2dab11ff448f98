"""What is known of one stream's memory beside its keys and values, which are in the slab or parked."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from torch import Tensor

from hermes_ray.engine.residency.capture_times import CaptureTimes
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.engine.residency.scene import Scene
from hermes_ray.engine.residency.thumbnails import Thumbnails
from hermes_ray.memory.view import MemoryView
from hermes_ray.models import VisualBlock


@dataclass(frozen=True, slots=True)
class TimedPixels:
    """One preprocessed frame.

    Attributes:
        pixels: ``[3, height, width]`` uint8 on the CPU.
        elapsed_ms: when it was captured, milliseconds since the stream's first frame.
        number: of the frame in its stream, from 0.
    """

    pixels: Tensor
    elapsed_ms: int
    number: int


@dataclass(slots=True)
class StreamMemory:
    """One stream's memory: where it is, and what about it is not in the slab.

    A family whose vision tower joins frames cannot encode an incomplete group for good. Its frames are held back
    until the group is complete; a question sees them all the same, in its private copy (:meth:`MemoryWriter.preview`).

    Attributes:
        name: the stream's.
        slot: its slot; ``None`` while it is parked.
        tokens: visual tokens that each layer holds.
        frames: the number behind that of the newest frame that is encoded. All tokens of a group carry its first
            frame's number.
        frames_seen: frames of the stream so far: encoded, held back, or left out because they showed nothing new.
        unchanged: how many of them were left out.
        tokens_left_out: tokens of frames that were left out because they show nothing new; those of frames that were
            left out before the model saw them apart.
        reach: all its positions are below this one (:meth:`PositionRule.reach`).
        compactions: how often it was compacted.
        started_ms: capture time of the first frame, ms since epoch; ``None`` before it.
        newest_block_ms: when the newest encoded group began, ms since ``started_ms``; ``None`` before the first.
        captured: when the frames that it may still hold were captured.
        thumbnails: pictures of those frames, for people.
        reference: the newest frame that is encoded or held back, if the next ones are compared with it.
        scene: what it shows of each place, if the places of the next frames are compared with it.
        held_back: frames whose group is not complete.
        previewed: the frames held back when a question last came, and the block they made; on the device, so it is
            forgotten when the memory is parked.
    """

    name: str
    slot: int | None = None
    tokens: int = 0
    frames: int = 0
    frames_seen: int = 0
    unchanged: int = 0
    tokens_left_out: int = 0
    reach: int = 0
    compactions: int = 0
    started_ms: int | None = None
    newest_block_ms: int | None = None
    captured: CaptureTimes = field(default_factory=CaptureTimes, repr=False, compare=False)
    thumbnails: Thumbnails = field(default_factory=lambda: Thumbnails(0), repr=False, compare=False)
    reference: Reference | None = field(default=None, repr=False, compare=False)
    scene: Scene | None = field(default=None, repr=False, compare=False)
    held_back: tuple[TimedPixels, ...] = ()
    previewed: tuple[tuple[TimedPixels, ...], VisualBlock] | None = None
    _self: object = field(default_factory=object, repr=False, compare=False)

    @property
    def version(self) -> Hashable:
        """Equal only for the same memory between the same two compactions: until it changes, the memory only grows."""
        return self._self, self.compactions

    def keep_thumbnails(self, view: MemoryView) -> None:
        """Forget the pictures of frames of which the memory holds nothing any more; a device is waited for.

        Args:
            view: the memory, in its slot or copied.
        """
        self.thumbnails.keep(view, self.frames, self.compactions)

    @property
    def state(self) -> "MemoryState":
        """How far it is. Going back is possible until it is compacted."""
        return MemoryState(self.tokens, self.frames, self.newest_block_ms, self.reach)

    def go_back(self, state: "MemoryState") -> None:
        """Be as far as it was; the slab has to follow."""
        self.tokens, self.frames, self.newest_block_ms = state.tokens, state.frames, state.newest_block_ms
        self.reach = state.reach


@dataclass(frozen=True, slots=True)
class MemoryState:
    """How far a memory is, to go back to.

    Attributes:
        tokens, frames, newest_block_ms, reach: those of :class:`StreamMemory`.
    """

    tokens: int
    frames: int
    newest_block_ms: int | None
    reach: int


def slot_of(memory: StreamMemory) -> int:
    """The slot of a memory that :meth:`Residency.bring` has just brought in."""
    assert memory.slot is not None, f"the memory of {memory.name} is parked"
    return memory.slot
