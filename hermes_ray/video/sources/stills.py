"""Single pictures of a camera or a directory: from their bytes to a frame."""

from hermes_ray.errors import UnsupportedMedia
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.frame import Frame

_STARTS = {b"\xff\xd8": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def still_frame(payload: bytes, ts_ms: int, limits: DecodeLimits) -> Frame:
    """Decode a JPEG or PNG, upright. Its type is what its bytes say: cameras' headers are often wrong.

    Raises:
        MediaError: neither of them, damaged, or beyond a limit.
    """
    for start, content_type in _STARTS.items():
        if payload.startswith(start):
            (frame,) = decode(payload, content_type, ts_ms, limits)
            return frame
    raise UnsupportedMedia("the picture is neither JPEG nor PNG; let the camera send one of these")
