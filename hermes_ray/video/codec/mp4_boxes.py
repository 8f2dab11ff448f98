"""The structure of an mp4 file (ISO/IEC 14496-12), checked before libav builds an index from it.

libav reads a file whose end is missing as a shorter one, and allocates an index entry for every sample that a
table *claims*, even when no byte of the file backs them. Both are refused here.
"""

from collections.abc import Iterator

from hermes_ray.errors import UndecodableMedia

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"})
_MAX_DEPTH = 8


def check_boxes(payload: bytes) -> None:
    """Check that every box lies within the file and no table claims more samples than the file has bytes.

    Raises:
        UndecodableMedia: not an mp4, cut off, or with impossible tables.
    """
    kinds = []
    claimed = 0
    for kind, start, end in _walk(payload, 0, len(payload), depth=0):
        kinds.append(kind)
        claimed += _claimed_samples(kind, payload[start : min(end, start + 20)])
        if claimed > len(payload):
            raise UndecodableMedia("mp4 claims more samples than it has bytes")
    if b"moov" not in kinds:
        raise UndecodableMedia("not an mp4, or cut off: it has no moov box")


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
