"""NAL units: what H.264 and HEVC streams are made of (ITU-T H.264 clause 7.3.1 and annex B, H.265 likewise).

In an mp4 each unit has its length in front (ISO/IEC 14496-15), in a byte stream a start code.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

from hermes_ray.errors import UndecodableMedia

_START_CODE = b"\0\0\1"
_EMULATED = re.compile(rb"\0\0(?=[\0-\3])")
_MAX_UNITS = 4096
"""Of one picture; honest ones have one for each slice, and every unit costs the decoder memory."""

Split = Callable[[bytes], list[bytes]]
Join = Callable[[Sequence[bytes]], bytes]


class Framing:
    """How units follow each other.

    Attributes:
        split: a packet's units, without lengths or start codes.
        join: the opposite.
    """

    def __init__(self, length_size: int | None) -> None:
        """Take start codes, or with a ``length_size`` lengths of so many bytes."""
        self.split: Split = _split_at_start_codes if length_size is None else partial(_split_by_lengths, length_size)
        self.join: Join = _join_with_start_codes if length_size is None else partial(_join_with_lengths, length_size)


def unescaped(unit: bytes, most: int | None = None) -> bytes:
    """Return a unit without its emulation prevention bytes, or only about its first ``most`` bytes."""
    return unit[:most].replace(b"\0\0\3", b"\0\0")


def escaped(unit: bytes) -> bytes:
    """Return a unit with the emulation prevention bytes that it needs."""
    return _EMULATED.sub(b"\0\0\3", unit)


def _split_at_start_codes(packet: bytes) -> list[bytes]:
    parts = packet.split(_START_CODE, _MAX_UNITS + 1)
    _check_count(len(parts) - 1)
    # Zeros before a start code belong to it; a unit itself never ends in zero.
    return [unit for part in parts[1:] if (unit := part.rstrip(b"\0"))]


def _split_by_lengths(length_size: int, packet: bytes) -> list[bytes]:
    units = []
    position = 0
    while position < len(packet):
        start = position + length_size
        position = start + int.from_bytes(packet[position:start], "big")
        if position > len(packet) or start > len(packet):
            raise UndecodableMedia("mp4 is damaged: a unit reaches beyond its sample")
        if position > start:
            units.append(packet[start:position])
        _check_count(len(units))
    return units


def _check_count(units: int) -> None:
    if units > _MAX_UNITS:
        raise UndecodableMedia(f"a picture has more than {_MAX_UNITS} NAL units")


def _join_with_start_codes(units: Sequence[bytes]) -> bytes:
    return b"".join(b"\0" + _START_CODE + unit for unit in units)


def _join_with_lengths(length_size: int, units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(length_size, "big") + unit for unit in units)
