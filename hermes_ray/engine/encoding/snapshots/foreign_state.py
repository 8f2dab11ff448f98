"""What a stranger's snapshot says of a stream beside its tokens: counts, times, and what is attached."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hermes_ray.engine.encoding.snapshots.cuts import CAPTURED_FRAMES, CAPTURED_MS, REFERENCE, SCENE, fitted
from hermes_ray.engine.encoding.snapshots.soundness import expect, moments, whole, within
from hermes_ray.engine.residency import thumbnails
from hermes_ray.errors import SnapshotError, UnsupportedMedia
from hermes_ray.memory.snapshot import Snapshot
from hermes_ray.models import ModelAdapter

MOST_FRAMES = 2**30
"""Frame numbers have 32 bits in the slab, and a stream has to go on: this is a year at 34 frames a second."""
_MOST_PIXELS = 2**26
_MOST_LEVEL = 255 * 64
"""Of the frame that others are compared with: 64ths of a level."""
_JPEG_BEGIN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
"""ITU-T T.81, annex B: a start of image and the marker behind it; an end of image."""


def check_state(found: Snapshot, adapter: ModelAdapter) -> None:
    """Refuse what would end the engine, or a later frame or question.

    Raises:
        SnapshotError: it cannot be a stream's state; says which part of it.
        KeyError, TypeError, ValueError: neither.
    """
    state: Mapping[str, Any] = found.extra["stream"]
    for name in ("as_of_ms", "compactions"):
        whole(name, state[name])
    for name in ("started_ms", "newest_block_ms"):
        if state[name] is not None:
            whole(name, state[name])
    held_back = _check_held_back(found, state, adapter)
    behind = held_back[-1] + 1 if held_back else found.next_frame
    seen = whole("frames_seen", state.get("frames_seen", behind), MOST_FRAMES)
    whole("unchanged", state.get("unchanged", 0), seen)
    whole("tokens_left_out", state.get("tokens_left_out", 0))
    whole("reach", state.get("reach", 0))
    if seen < behind:
        raise SnapshotError(f"frames_seen is {seen}, and frame {behind - 1} is among them")
    _check_captured(found.attached, seen)
    _check_thumbnails(found.attached, seen)
    _check_reference(found.attached, state)
    _check_scene(found.attached, state)
    if not isinstance(found.extra["caller"], dict):
        raise SnapshotError("what the file says of itself makes no sense")


def _check_held_back(found: Snapshot, state: Mapping[str, Any], adapter: ModelAdapter) -> list[int]:
    """Returns the numbers of the frames that wait for their group."""
    times = state["held_back_ms"]
    numbers = state.get("held_back_numbers", list(range(found.next_frame, found.next_frame + len(times))))
    if not isinstance(times, list) or not isinstance(numbers, list) or len(times) != len(numbers):
        raise SnapshotError("held_back_ms and held_back_numbers are no lists of one length")
    if len(times) >= adapter.frames_per_block:
        raise SnapshotError(f"{len(times)} frames wait for their group; {adapter.name} needs fewer for one")
    least = found.next_frame
    for index, (elapsed_ms, number) in enumerate(zip(times, numbers, strict=True)):
        whole("held_back_ms", elapsed_ms)
        if whole("held_back_numbers", number, MOST_FRAMES) < least:
            raise SnapshotError("held_back_numbers are not those of frames behind the ones that are encoded")
        least = number + 1
        _check_picture(found.attached[str(index)], adapter)
        if found.attached[str(index)].shape != found.attached["0"].shape:
            raise SnapshotError("the frames that wait for their group are not of one size")
    return numbers


def _check_picture(pixels: Tensor, adapter: ModelAdapter) -> None:
    if pixels.ndim != 3 or pixels.shape[0] != 3 or not 0 < pixels.numel() <= _MOST_PIXELS:
        raise SnapshotError("a frame that waits for its group is no picture")
    # uint8, or normalised already, as earlier releases kept them (:meth:`PixelNormalisation.normalised`).
    expect("a frame that waits for its group", pixels, tuple(pixels.shape), torch.uint8, torch.float32)
    if pixels.dtype == torch.float32 and not pixels.isfinite().all():
        raise SnapshotError("a frame that waits for its group is not finite")
    try:
        fits = adapter.may_wait(tuple(fitted(pixels, adapter).shape))
    except UnsupportedMedia as error:
        raise SnapshotError(f"a frame that waits for its group: {error}") from error
    if not fits:
        raise SnapshotError(f"a frame that waits for its group has the shape {tuple(pixels.shape)}, as no frame here")


def _check_captured(attached: Mapping[str, Tensor], seen: int) -> None:
    if CAPTURED_FRAMES not in attached and CAPTURED_MS not in attached:
        return
    frames, ms = attached[CAPTURED_FRAMES], attached[CAPTURED_MS]
    count = frames.numel()
    expect(CAPTURED_FRAMES, frames, (count,), torch.int64)
    expect(CAPTURED_MS, ms, (count,), torch.int64)
    within(CAPTURED_FRAMES, frames, 0, seen - 1)
    moments(CAPTURED_MS, ms)
    if not (frames.diff() > 0).all():
        raise SnapshotError("the capture times are not in the order of their frames")


def _check_thumbnails(attached: Mapping[str, Tensor], seen: int) -> None:
    if thumbnails.INDEX not in attached and thumbnails.BYTES not in attached:
        return
    index, joined = attached[thumbnails.INDEX], attached[thumbnails.BYTES]
    expect(thumbnails.INDEX, index, (index.shape[0] if index.ndim else 0, 5), torch.int64)
    expect(thumbnails.BYTES, joined, (joined.numel(),), torch.uint8)
    frames, groups, untils, captured, sizes = index[index[:, 0].argsort()].unbind(1)
    within(f"{thumbnails.INDEX} (frame)", frames, 0, seen - 1)
    within(f"{thumbnails.INDEX} (group)", groups, 0, seen - 1)
    within(f"{thumbnails.INDEX} (until)", untils, 0, seen - 1)
    moments(f"{thumbnails.INDEX} (capture time)", captured)
    within(f"{thumbnails.INDEX} (size)", sizes, -1, joined.numel())
    if (groups > frames).any() or (untils < frames).any() or (frames[1:] <= untils[:-1]).any():
        raise SnapshotError(f"{thumbnails.INDEX} holds frames that overlap, or that lie outside what they stand for")
    sizes = [max(0, size) for size in index[:, 4].tolist()]
    if sum(sizes) != joined.numel():
        raise SnapshotError(f"{thumbnails.BYTES} has {joined.numel()} bytes, and {thumbnails.INDEX} says {sum(sizes)}")
    pictures, end = joined.numpy().tobytes(), 0
    for size in filter(None, sizes):
        begin, end = end, end + size
        if not pictures.startswith(_JPEG_BEGIN, begin, end) or not pictures.endswith(_JPEG_END, begin, end):
            raise SnapshotError(f"{thumbnails.BYTES} holds a picture that is no JPEG")


def _check_reference(attached: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    if REFERENCE in attached:
        _check_cells(REFERENCE, attached[REFERENCE])
        whole("reference_ms", state["reference_ms"])


def _check_scene(attached: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    if SCENE in attached:
        _check_cells(SCENE, attached[SCENE])
        height, width, whole_ms = state["scene"]
        for number in (height, width, whole_ms):
            whole(SCENE, number)


def _check_cells(name: str, cells: Tensor) -> None:
    rows, columns = cells.shape[:2] if cells.ndim == 3 else (0, 0)
    expect(name, cells, (rows, columns, 3), torch.int16)
    within(name, cells, 0, _MOST_LEVEL)
