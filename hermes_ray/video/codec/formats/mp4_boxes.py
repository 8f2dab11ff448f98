"""The structure of an mp4 file (ISO/IEC 14496-12), checked before libav builds an index from it.

libav reads a file whose end is missing as a shorter one, and allocates an index entry for every sample that a
table *claims*, even when no byte of the file backs them. Both are refused here.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.orientation import Orientation, from_matrix

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"})
_MAX_DEPTH = 8
_HEADER_BYTES = 128
_Matrix = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Mp4Boxes:
    """What the boxes say that libav's interface does not.

    Attributes:
        orientations: how to turn the pictures of each track, by its id, where they are not upright.
    """

    orientations: Mapping[int, Orientation]


def read_boxes(payload: bytes) -> Mp4Boxes:
    """Check that every box lies within the file and no table claims more samples than the file has bytes.

    Raises:
        UndecodableMedia: not an mp4, cut off, or with impossible tables.
    """
    kinds = set()
    claimed = 0
    movie: _Matrix = (1, 0, 0, 1)
    tracks: dict[int, _Matrix] = {}
    for kind, start, end in _walk(payload, 0, len(payload), depth=0):
        kinds.add(kind)
        claimed += _claimed_samples(kind, payload[start : min(end, start + 20)])
        if claimed > len(payload):
            raise UndecodableMedia("mp4 claims more samples than it has bytes")
        body = payload[start : min(end, start + _HEADER_BYTES)]
        if kind == b"mvhd":
            movie = _matrix(body, 36 if body[:1] != b"\1" else 48)
        elif kind == b"tkhd":
            at = 12 if body[:1] != b"\1" else 20
            tracks[int.from_bytes(body[at : at + 4], "big")] = _matrix(body, at + 28 if at == 12 else at + 32)
    if b"moov" not in kinds:
        if b"moof" in kinds:
            raise UndecodableMedia(
                "mp4 fragment comes without its initialization segment (the moov box); "
                "put that in front of every fragment: cat init.mp4 fragment.m4s"
            )
        raise UndecodableMedia("not an mp4, or cut off: it has no moov box")
    turned = {track: from_matrix(*_product(matrix, movie)) for track, matrix in tracks.items()}
    return Mp4Boxes({track: each for track, each in turned.items() if each is not Orientation.UPRIGHT})


def _matrix(body: bytes, start: int) -> _Matrix:
    """Return a, b, c, d of a transformation matrix (clause 6.2.2); the rest of it moves the picture or is constant."""
    if start + 20 > len(body):
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from(">5i", body, start)
    return (a, b, c, d) if (a, b, c, d) != (0, 0, 0, 0) else (1, 0, 0, 1)


def _product(first: _Matrix, second: _Matrix) -> _Matrix:
    """Return the matrix that transforms by ``first`` and then by ``second``."""
    (a, b, c, d), (e, f, g, h) = first, second
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _walk(payload: bytes, start: int, end: int, *, depth: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start and end of the body) of each box, containers before their contents."""
    position = start
    while position < end:
        kind, body, position = _read_box(payload, position, end, may_be_open=depth == 0)
        yield kind, body, position
        if kind in _CONTAINERS:
            if depth == _MAX_DEPTH:
                raise UndecodableMedia(f"mp4 nests its boxes deeper than {_MAX_DEPTH}")
            yield from _walk(payload, body, position, depth=depth + 1)


def _read_box(payload: bytes, start: int, end: int, *, may_be_open: bool) -> tuple[bytes, int, int]:
    size = int.from_bytes(payload[start : start + 4], "big")
    kind = payload[start + 4 : start + 8]
    body = start + 8
    if size == 1:  # the 64-bit size follows
        size = int.from_bytes(payload[body : body + 8], "big")
        body += 8
    elif size == 0 and may_be_open:  # the last box reaches to the end of the file
        size = end - start
    if body > end or size < body - start or start + size > end:
        raise UndecodableMedia(f"mp4 is cut off or damaged: box {kind!r} at byte {start} reaches beyond its container")
    return kind, body, start + size


def _claimed_samples(kind: bytes, head: bytes) -> int:
    # Each body starts with a version byte and three bytes of flags.
    if kind == b"stsz":
        return int.from_bytes(head[8:12], "big")
    if kind in (b"trun", b"stz2"):
        return int.from_bytes(head[4:8] if kind == b"trun" else head[8:12], "big")
    return 0
