"""Where a frame's picture is, and what its response says beside the bytes."""

MEDIA_TYPE = "image/jpeg"
FRAME_HEADER = "X-Frame"
"""Number of the frame that a picture shows."""
CAPTURED_HEADER = "X-Captured-Ms"
"""When it was captured, milliseconds since the Unix epoch."""


def picture_path(stream: str, frame: int | None) -> str:
    """Path of a frame's picture below the API's root, of the newest frame's without a number."""
    return f"/v1/streams/{stream}/" + ("latest.jpg" if frame is None else f"frames/{frame}.jpg")
