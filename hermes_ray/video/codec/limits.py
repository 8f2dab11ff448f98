"""How large a picture or segment may be, and the errors that say so."""

from dataclasses import dataclass
from typing import Self

from hermes_ray.config import VideoSettings
from hermes_ray.errors import MediaTooLarge


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds on one payload. All but the last are judged before the pixels that they would cost are decoded.

    Attributes:
        max_encoded_bytes: largest payload, bytes.
        max_pixels: largest picture, width times height.
        max_frames: most frames in one segment.
        max_seconds: longest segment, seconds of video.
        max_load: CPU seconds that decoding may take for each second of video; one second's worth at least.
    """

    max_encoded_bytes: int = 8 * 1024 * 1024
    max_pixels: int = 3840 * 2160
    max_frames: int = 600
    max_seconds: float = 60.0
    max_load: float = 1.0

    @classmethod
    def from_settings(cls, settings: VideoSettings) -> Self:
        """Return the limits that the ``video`` section sets."""
        return cls(
            max_encoded_bytes=settings.max_encoded_bytes,
            max_pixels=settings.max_pixels,
            max_frames=settings.max_segment_frames,
            max_seconds=settings.max_segment_seconds,
            max_load=settings.max_decode_load,
        )

    def check_encoded(self, size: int) -> None:
        """Raise :class:`MediaTooLarge` if a payload of ``size`` bytes is beyond the limit."""
        if size > self.max_encoded_bytes:
            raise MediaTooLarge(
                f"payload is {size} bytes, the limit is {self.max_encoded_bytes}; compress more, send shorter segments "
                f"or raise video.max_encoded_bytes"
            )

    def check_resolution(self, width: int, height: int) -> None:
        """Raise :class:`MediaTooLarge` if ``width`` x ``height`` has too many pixels."""
        if width * height > self.max_pixels:
            raise MediaTooLarge(
                f"picture is {width}x{height} = {width * height} pixels, the limit is {self.max_pixels}; "
                f"send smaller pictures or raise video.max_pixels"
            )

    def check_frames(self, count: int) -> None:
        """Raise :class:`MediaTooLarge` if a segment has more than the allowed frames."""
        if count > self.max_frames:
            raise MediaTooLarge(
                f"segment has {count} frames or more, the limit is {self.max_frames}; "
                f"send shorter segments or raise video.max_segment_frames"
            )

    def check_duration(self, seconds: float) -> None:
        """Raise :class:`MediaTooLarge` if a segment lasts too long."""
        if seconds > self.max_seconds:
            raise MediaTooLarge(
                f"segment lasts {seconds:.3f} s, the limit is {self.max_seconds:g} s; "
                f"send shorter segments or raise video.max_segment_seconds"
            )
