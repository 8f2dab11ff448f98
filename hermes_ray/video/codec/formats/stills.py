"""What JPEG and PNG say about themselves, read without decoding a pixel.

libav decodes a picture whose last bytes are missing, and inflates compressed text chunks of any size. Walking the
few bytes of structure first gives the resolution before any memory is spent, and refuses both.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.formats.exif import exif_orientation
from hermes_ray.video.codec.orientation import Orientation

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNKS_OF_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
_JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG and DAC
_JPEG_EXIF_MARKER = 0xE1
_JPEG_EXIF_START = b"Exif\0\0"
_JPEG_METADATA = frozenset(range(0xE0, 0xF0)) - {0xE0, 0xEE}  # but JFIF, and Adobe's, which names the colour model
_MAX_JPEG_PADDING = 16
_MAX_JPEG_SCANS = 100
"""Progressive pictures have about ten; every scan walks the whole picture, so thousands would be a bomb of time."""


@dataclass(frozen=True, slots=True)
class StillHeader:
    """Size of a still picture as it is stored, pixels, how to turn it, and the bytes that hold it and nothing else."""

    width: int
    height: int
    orientation: Orientation
    payload: bytes


def read_jpeg_header(payload: bytes) -> StillHeader:
    """Return the size in a JPEG's frame header and its Exif orientation (ITU-T T.81, annex B).

    Metadata are left out of what is decoded; nothing there reads them.

    Raises:
        UndecodableMedia: not a JPEG, cut off, or with more scans than an honest picture.
    """
    if not payload.startswith(_JPEG_START):
        raise UndecodableMedia("not a JPEG: it does not start with FF D8; check the content-type header")
    size: tuple[int, int] | None = None
    orientation = Orientation.UPRIGHT
    kept = [_JPEG_START]
    for marker, start, end in _jpeg_segments(payload):
        if marker == _JPEG_SCAN:
            _check_jpeg_scans(payload, end)
            kept.append(payload[start:])
            break
        body = payload[start + 4 : end]
        if marker in _JPEG_FRAME_MARKERS and len(body) >= 5:
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        elif marker == _JPEG_EXIF_MARKER and body.startswith(_JPEG_EXIF_START):
            orientation = exif_orientation(body[len(_JPEG_EXIF_START) :])
        if marker not in _JPEG_METADATA:
            kept.append(payload[start:end])
    else:
        raise UndecodableMedia("JPEG is cut off before its picture data")
    if size is None or 0 in size:
        raise UndecodableMedia("JPEG names no picture size before its picture data")
    return StillHeader(*size, orientation, b"".join(kept))


def _jpeg_segments(payload: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, where its FF is, offset behind the body) of each segment up to the first scan's header."""
    position = len(_JPEG_START)
    while position + 4 <= len(payload):
        # Some webcams pad their segments; as libjpeg does, the next marker is looked for, if it is near.
        found = payload.find(b"\xff", position, position + _MAX_JPEG_PADDING + 1)
        if found < 0:
            raise UndecodableMedia(f"JPEG is damaged: no marker at byte {position}")
        position = found
        marker = payload[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(payload[position + 2 : position + 4], "big")
        if end > len(payload) or end < position + 4:
            raise UndecodableMedia("JPEG is cut off or damaged in its header")
        yield marker, position, end
        if marker == _JPEG_SCAN:
            return
        position = end


def _check_jpeg_scans(payload: bytes, position: int) -> None:
    # Inside entropy-coded data FF is always followed by 00 or a restart marker, so these two are real markers.
    if payload.find(_JPEG_END, position) < 0:
        raise UndecodableMedia("JPEG is cut off: its end marker FF D9 is missing")
    if payload.count(bytes([0xFF, _JPEG_SCAN]), position) > _MAX_JPEG_SCANS:
        raise UndecodableMedia(f"JPEG has more than {_MAX_JPEG_SCANS} scans")


def read_png_header(payload: bytes) -> StillHeader:
    """Return the size in a PNG's IHDR, the orientation in its eXIf, and the file without its ancillary chunks.

    RFC 2083, sections 3 and 4; PNG specification, third edition, clause 11.3.5.5.

    Compressed text and colour profiles may inflate a thousandfold; nothing here reads them, so they are left out.

    Raises:
        UndecodableMedia: not a PNG, cut off, or a chunk's checksum is wrong.
    """
    if not payload.startswith(_PNG_SIGNATURE):
        raise UndecodableMedia("not a PNG: its signature is missing; check the content-type header")
    chunks = list(_png_chunks(payload))
    kind, header = chunks[0] if chunks else (b"", b"")
    if kind != b"IHDR" or len(header) < 20:
        raise UndecodableMedia("PNG does not start with a complete IHDR chunk")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    if 0 in (width, height):
        raise UndecodableMedia(f"PNG has an empty picture: {width}x{height}")
    exif = next((raw[8:-4] for kind, raw in chunks if kind == b"eXIf"), b"")
    return StillHeader(
        width,
        height,
        exif_orientation(exif),
        _PNG_SIGNATURE + b"".join(raw for kind, raw in chunks if kind in _PNG_CHUNKS_OF_PIXELS),
    )


def _png_chunks(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, whole chunk) up to IEND, each with a right checksum."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(payload):
        end = position + 12 + int.from_bytes(payload[position : position + 4], "big")
        chunk = payload[position:end]
        if end > len(payload):
            break
        kind = chunk[4:8]
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise UndecodableMedia(f"PNG is damaged: wrong checksum in its {kind!r} chunk")
        yield kind, chunk
        if kind == b"IEND":
            return
        position = end
    raise UndecodableMedia("PNG is cut off: its IEND chunk is missing")
