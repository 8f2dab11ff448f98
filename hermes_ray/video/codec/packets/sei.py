"""Supplemental enhancement information, as far as it matters here (ITU-T H.264 annex D, H.265 annex D).

Many cameras send SEI messages of their own, and some with lengths beyond their unit. Nothing in them is needed to
decode a picture; the two kinds read here say from where on pictures are whole, and which way is up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hermes_ray.video.codec.orientation import Orientation, turned
from hermes_ray.video.codec.packets.bits import BitReader

_RECOVERY_POINT = 6
_DISPLAY_ORIENTATION = 47
_ORIENTATION_BYTES = 8
_MAX_MESSAGES = 64
_FULL_BYTES = re.compile(rb"\xff*")

MAX_SEI_BYTES = 64 * 1024
"""Of a unit, what is worth reading."""


@dataclass(frozen=True, slots=True)
class SeiMessages:
    """The messages of a unit that matter.

    Attributes:
        recovery_point: pictures can be decoded from here on, though perhaps not all are whole at once.
        orientation: how to turn the pictures from here on; ``None`` where nothing is said about it.
        kept: the messages' own bytes, to make a unit without the others.
    """

    recovery_point: bool = False
    orientation: Orientation | None = None
    kept: bytes = b""


def read_sei(body: bytes) -> SeiMessages:
    """Return what the messages in an unescaped unit without its header say, up to the first that is cut off."""
    recovery, orientation, kept = False, None, b""
    for kind, payload, raw in islice(_messages(body), _MAX_MESSAGES):
        if kind == _RECOVERY_POINT:
            recovery = True
        elif kind == _DISPLAY_ORIENTATION:
            orientation = _orientation(payload)
        else:
            continue
        kept += raw
    return SeiMessages(recovery, orientation, kept)


def _messages(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (type, payload, the whole message)."""
    position = 0
    while position + 2 < len(body):  # the last byte is the stop bit's
        start = position
        kind, position = _number(body, position)
        size, position = _number(body, position)
        if position + size > len(body):
            return
        yield kind, body[position : position + size], body[start : position + size]
        position += size


def _number(body: bytes, position: int) -> tuple[int, int]:
    """Return the number at ``position``, which is a sum of bytes up to the first below FF, and where it ends."""
    full = _FULL_BYTES.match(body, position)
    last = full.end() if full else position
    return 0xFF * (last - position) + (body[last] if last < len(body) else 0), last + 1


def _orientation(payload: bytes) -> Orientation | None:
    reader = BitReader(payload[:_ORIENTATION_BYTES])
    try:
        if reader.flag():  # cancelled
            return Orientation.UPRIGHT
        mirrored, upside_down = reader.flag(), reader.flag()
        quarter_turns = round(reader.bits(16) / 16384)
    except EOFError:
        return None
    return turned(quarter_turns, mirrored=mirrored, upside_down=upside_down)
