"""A camera of this machine (Video4Linux2) as a source."""

import errno
import re
from collections.abc import Callable

import av
from av.container import InputContainer
from av.error import FFmpegError

from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.libav_camera import LibavCamera

_DEVICE = re.compile(r"/dev/video\d+|/dev/v4l/.+")
_WORDS = {
    errno.ENOENT: "there is no such device; plug the camera in, and see /dev/v4l/by-id for what there is",
    errno.ENODEV: "there is no such device; plug the camera in, and see /dev/v4l/by-id for what there is",
    errno.EACCES: "this user may not open the device; add it to the group that owns it, usually video",
    errno.EBUSY: "another program uses the camera; end it",
    errno.ENOTTY: "this is no camera; of a webcam's devices it is usually the first",
}


def is_webcam(source: str) -> bool:
    """Whether a source names a Video4Linux2 device, whether there is one or not."""
    return _DEVICE.fullmatch(source) is not None


class WebcamSource(LibavCamera):
    """Frames of a Video4Linux2 device, through being unplugged.

    Args:
        device: its path, such as ``/dev/video0``.
        max_failures: see :class:`~hermes_ray.video.sources.cameras.live.LiveSource`, and for what follows.
        backoff: likewise.
        on_fault: likewise.
    """

    def __init__(
        self,
        device: str,
        *,
        max_failures: int | None = None,
        backoff: Backoff | None = None,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(device, max_failures=max_failures, backoff=backoff, on_fault=on_fault)

    def _open(self) -> InputContainer:
        timeouts = (self._connect_timeout_s, self._stall_timeout_s)
        return av.open(self.shown, "r", format="v4l2", timeout=timeouts)

    def _describe(self, error: FFmpegError) -> str:
        words = _WORDS.get(error.errno) if error.errno is not None else None
        return words or str(error.strerror or type(error).__name__).lower()
