"""The one value of Exif metadata that matters here: the orientation (Exif 2.32, clause 4.6; TIFF 6.0, section 2)."""

import struct

from hermes_ray.video.codec.orientation import Orientation

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_ENTRY_BYTES = 12
_MAX_ENTRIES = 512


def exif_orientation(tiff: bytes) -> Orientation:
    """Return the orientation in Exif data that start with their TIFF header.

    Anything that is damaged or absent reads as upright: such a block says nothing about the picture.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return Orientation.UPRIGHT
    directory = struct.unpack_from(order + "I", tiff, 4)[0]
    if directory + 2 > len(tiff):
        return Orientation.UPRIGHT
    count = min(struct.unpack_from(order + "H", tiff, directory)[0], _MAX_ENTRIES)
    for entry in range(directory + 2, directory + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
        if entry + _ENTRY_BYTES > len(tiff):
            break
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _ORIENTATION_TAG and kind == _SHORT and 1 <= value <= 8:
            return Orientation(value)
    return Orientation.UPRIGHT
