"""The parts of an endless multipart body, as cameras send motion JPEG (``multipart/x-mixed-replace``; RFC 2046, 5.1).

Cameras differ: some write the boundary into the header with its dashes, some quote it, most say each part's length,
some do not. All of that is read here.
"""

import re
from collections.abc import Iterable, Iterator

from hermes_ray.errors import SourceError

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))""", re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_MAX_HEADERS_BYTES = 16 * 1024


def boundary_of(content_type: str) -> bytes:
    """Return what each part begins with.

    Raises:
        SourceError: the header names none.
    """
    found = _BOUNDARY.search(content_type)
    name = (found[1] or found[2]).lstrip("-") if found else ""
    if not name:
        raise SourceError("the camera's multipart answer names no boundary; its firmware may need an update")
    return b"--" + name.encode()


def parts(chunks: Iterable[bytes], boundary: bytes, max_part_bytes: int) -> Iterator[bytes]:
    """Yield the body of each part, as soon as it is whole.

    Args:
        chunks: the multipart body, cut anywhere.
        boundary: as :func:`boundary_of` returns it.
        max_part_bytes: largest part.

    Raises:
        SourceError: a part is larger, or what comes is not multipart.
    """
    buffer = _Buffer(iter(chunks), max_part_bytes)
    # A boundary that cameras write into the header with its dashes may stand in the body with two dashes more.
    while buffer.skip_past(boundary):
        headers = buffer.up_to(_HEADERS_END, _MAX_HEADERS_BYTES)
        if headers is None or headers.startswith(b"--"):  # the last boundary
            return
        length = _LENGTH.search(headers)
        end = re.compile(rb"\r?\n-*" + re.escape(boundary))
        body = buffer.take(int(length[1])) if length else buffer.up_to(end, max_part_bytes, keep=True)
        if body is None:
            return
        yield body


class _Buffer:
    """What has arrived and was not taken."""

    def __init__(self, chunks: Iterator[bytes], max_part_bytes: int) -> None:
        self._chunks = chunks
        self._max_part_bytes = max_part_bytes
        self._held = bytearray()

    def skip_past(self, text: bytes) -> bool:
        """Drop everything up to the end of ``text``; false at the end of the body."""
        skipped = 0
        while (at := self._held.find(text)) < 0:
            keep = max(0, len(self._held) - len(text) + 1)
            skipped += keep
            del self._held[:keep]
            if skipped > self._max_part_bytes + _MAX_HEADERS_BYTES:
                raise SourceError("what the camera sends does not hold the boundary that it announced")
            if not self._more():
                return False
        del self._held[: at + len(text)]
        return True

    def up_to(self, end: re.Pattern[bytes], most: int, *, keep: bool = False) -> bytes | None:
        """Take what comes before ``end``, and ``end`` too unless it is to be kept; ``None`` at the end of the body."""
        searched = 0
        while (found := end.search(self._held, searched)) is None:
            if len(self._held) > most:
                raise SourceError(f"the camera sends a picture, or its headers, of more than {most} bytes")
            searched = max(0, len(self._held) - 256)
            if not self._more():
                return None
        taken = bytes(self._held[: found.start()])
        del self._held[: found.start() if keep else found.end()]
        return taken

    def take(self, length: int) -> bytes | None:
        """Take so many bytes; ``None`` if the body ends before."""
        if length > self._max_part_bytes:
            raise SourceError(
                f"the camera sends a picture of {length} bytes, the limit is {self._max_part_bytes}; "
                f"let it send smaller ones or raise video.max_encoded_bytes"
            )
        while len(self._held) < length:
            if not self._more():
                return None
        taken = bytes(self._held[:length])
        del self._held[:length]
        return taken

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        self._held += chunk or b""
        return chunk is not None
