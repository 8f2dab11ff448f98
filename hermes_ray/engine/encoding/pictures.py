"""Pictures for people: noted with the frames that are applied, and looked at."""

from bisect import bisect_right
from collections.abc import Sequence

from hermes_ray.engine.contracts import FramePicture
from hermes_ray.engine.encoding.waiting.frame_batch import WaitingFrame
from hermes_ray.engine.residency.stream_memory import StreamMemory, TimedPixels
from hermes_ray.engine.residency.thumbnails import Thumbnail
from hermes_ray.errors import FrameGone, UnknownFrame
from hermes_ray.memory.slab import KVSlab
from hermes_ray.models import FrameGroup


def beginnings(groups: Sequence[FrameGroup], held_back: Sequence[TimedPixels]) -> list[int]:
    """Numbers of the frames that begin a group: of each of these groups, and of the one that is not complete."""
    return [*(group.numbers[0] for group in groups), *(frame.number for frame in held_back[:1])]


def note_thumbnails(memory: StreamMemory, frames: Sequence[WaitingFrame], begins: Sequence[int], slab: KVSlab) -> None:
    """Keep the thumbnails of frames that are about to count as seen.

    Args:
        memory: whose.
        frames: the next ones.
        begins: from :func:`beginnings`, of those of them that are encoded or held back.
        slab: where the memory is, unless it is parked.
    """
    thumbnails = memory.thumbnails
    for number, frame in enumerate(frames, start=memory.frames_seen):
        if frame.is_encoded:
            group = begins[bisect_right(begins, number) - 1]
            thumbnails.add(number, Thumbnail(group, number, frame.ts_ms, frame.thumbnail))
        else:
            thumbnails.add_unchanged(number, frame.ts_ms, frame.thumbnail)
    if thumbnails.crowded:
        if memory.slot is not None and thumbnails.is_behind(memory.compactions):
            memory.keep_thumbnails(slab.view(memory.slot))
        thumbnails.thin_out()


def must_ask_the_memory(memory: StreamMemory, frame: int | None) -> bool:
    """Whether a picture can only be shown, or refused, once the memory is in a slot."""
    if memory.thumbnails.spilled:
        return True
    return frame is not None and frame < memory.frames_seen and memory.thumbnails.is_behind(memory.compactions)


def picture_of(memory: StreamMemory, frame: int | None) -> FramePicture:
    """What a frame looked like; of one that showed nothing new, what the frame looked like that it repeats.

    Args:
        memory: of which :func:`must_ask_the_memory` says no.
        frame: its number; ``None`` for the newest.

    Raises:
        UnknownFrame: the stream has not come that far.
        FrameGone: there is no picture of it, any more or at all; says why.
    """
    number = memory.frames_seen - 1 if frame is None else frame
    if not 0 <= number < memory.frames_seen:
        raise UnknownFrame(
            f"stream {memory.name!r} has seen {memory.frames_seen} frames, so the newest is frame "
            f"{memory.frames_seen - 1}, not {number}"
        )
    gone = f"frame {number} of stream {memory.name!r}"
    if memory.thumbnails.max_bytes == 0:
        raise FrameGone(f"{gone} has no picture: this system keeps none (memory.thumbnail_bytes is 0)")
    found = memory.thumbnails.of(number)
    if found is None:
        raise FrameGone(f"{gone} is forgotten: the memory was compacted and holds nothing of it any more")
    shown, kept = found
    if kept.jpeg is None:
        raise FrameGone(f"{gone} has no picture: none was made of it when it came, but the memory knows it")
    if not kept.jpeg:
        raise FrameGone(
            f"{gone} has no picture any more: it made room for others (memory.thumbnail_bytes is "
            f"{memory.thumbnails.max_bytes}), but the memory knows it"
        )
    return FramePicture(memory.name, shown, kept.captured_ms, kept.jpeg)
