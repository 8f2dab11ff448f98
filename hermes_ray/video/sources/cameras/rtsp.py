"""A network camera as a source, over RTSP (RFC 2326, RFC 7826), through any number of disconnections."""

from collections.abc import Callable

import av
from av.container import InputContainer
from av.error import FFmpegError

from hermes_ray.video.sources.cameras.address import CameraAddress
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.libav_camera import LibavCamera
from hermes_ray.video.sources.cameras.rtsp_faults import describe, resolve

_OPTIONS = {
    "rtsp_transport": "tcp",  # cameras' UDP is lossy, and one lost packet spoils pictures up to the next keyframe
    "allowed_media_types": "video",
    "fpsprobesize": "0",  # or libav holds back a second of video to estimate the frame rate
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp,crypto",
}


class RtspSource(LibavCamera):
    """Frames of an RTSP camera.

    Args:
        url: ``rtsp://`` or ``rtsps://``; see :class:`~hermes_ray.video.sources.cameras.address.CameraAddress`.
        max_side_px: see :class:`~hermes_ray.video.sources.cameras.libav_camera.LibavCamera`, and for what follows.
        connect_timeout_s: likewise.
        stall_timeout_s: likewise.
        max_failures: likewise.
        backoff: likewise.
        capacity: likewise.
        on_fault: likewise.

    Attributes:
        address: what is watched, and how to show it.

    Raises:
        SourceError: the URL is no RTSP URL.
    """

    def __init__(
        self,
        url: str,
        *,
        max_side_px: int | None = None,
        connect_timeout_s: float = 10.0,
        stall_timeout_s: float = 10.0,
        max_failures: int | None = None,
        backoff: Backoff | None = None,
        capacity: int = 4,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        self.address = CameraAddress.parse(url)
        super().__init__(
            self.address.shown,
            max_side_px=max_side_px,
            connect_timeout_s=connect_timeout_s,
            stall_timeout_s=stall_timeout_s,
            max_failures=max_failures,
            backoff=backoff,
            capacity=capacity,
            on_fault=on_fault,
        )

    def _open(self) -> InputContainer:
        resolve(self.address)
        timeouts = (self._connect_timeout_s, self._stall_timeout_s)
        url = self.address.url
        return av.open(url, "r", format="rtsp", options=_OPTIONS, timeout=timeouts, metadata_errors="replace")

    def _describe(self, error: FFmpegError) -> str:
        return describe(error, self.address)
