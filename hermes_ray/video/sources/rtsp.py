"""A network camera as a source, over RTSP (RFC 2326, RFC 7826), through any number of disconnections."""

import threading
from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import urlsplit

import av
from av.container import InputContainer
from av.error import (
    DecoderNotFoundError,
    FFmpegError,
    HTTPForbiddenError,
    HTTPUnauthorizedError,
    InvalidDataError,
    ProtocolNotFoundError,
)
from av.video.codeccontext import VideoCodecContext

from hermes_ray.errors import SourceError
from hermes_ray.video.codec.pictures import to_frame
from hermes_ray.video.frame import Frame
from hermes_ray.video.sources.backoff import Backoff
from hermes_ray.video.sources.capture_clock import CaptureClock
from hermes_ray.video.sources.latest import LatestFrames

_HOPELESS = (HTTPUnauthorizedError, HTTPForbiddenError, ProtocolNotFoundError, DecoderNotFoundError)
"""Faults that trying again does not mend. 404 is not among them: cameras answer it while they boot."""

_OPTIONS = {
    "rtsp_transport": "tcp",  # cameras' UDP is lossy, and one lost packet spoils pictures up to the next keyframe
    "allowed_media_types": "video",
    "fpsprobesize": "0",  # or libav holds back a second of video to estimate the frame rate
    "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,tls,udp,crypto",
}


class RtspSource:
    """Frames of an RTSP camera. See :class:`~hermes_ray.video.sources.base.Source`.

    A thread of its own reads the camera, so that :meth:`close` takes effect at once although a read may still block for
    up to ``stall_timeout_s``, and so that a slow caller gets the newest frames. When the connection fails or the
    stream ends, the source reconnects after a back-off, for ever unless ``max_failures`` is set. Capture time is
    this machine's clock at a connection's first picture plus presentation time from there.

    Args:
        url: ``rtsp://`` or ``rtsps://``; credentials in it are never shown in errors.
        max_side_px: shrink frames so that their longer side is at most this.
        connect_timeout_s: how long connecting may take, seconds.
        stall_timeout_s: how long the camera may be silent before the connection counts as lost, seconds.
        max_failures: give up after this many failed connections in a row, without one frame between.
        backoff: waits between connections.
        capacity: frames kept for a slow caller before the oldest are dropped.
        open_container: how to connect; for other transports than RTSP.

    Attributes:
        reconnects: times it connected again, or tried to.
        damaged: pictures left out because they arrived incomplete.
        last_error: why the newest connection ended, or ``None``.

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
        open_container: Callable[[str], InputContainer] | None = None,
    ) -> None:
        self.reconnects = 0
        self.damaged = 0
        self.last_error: str | None = None
        self._url = url
        self._name = _without_credentials(url)
        if open_container is None and urlsplit(url).scheme not in ("rtsp", "rtsps"):
            raise SourceError(f"{self._name} is not an RTSP address; it must start with rtsp:// or rtsps://")
        self._max_side_px = max_side_px
        self._timeouts = (connect_timeout_s, stall_timeout_s)
        self._max_failures = max_failures
        self._backoff = backoff or Backoff()
        self._open_container = open_container or self._open_rtsp
        self._frames = LatestFrames(capacity)
        self._clock = CaptureClock()
        self._failures = 0
        self._fault: SourceError | None = None
        self._closed = threading.Event()

    @property
    def dropped(self) -> int:
        """Frames dropped because the caller was slower than the camera."""
        return self._frames.dropped

    def frames(self) -> Iterator[Frame]:
        """Yield frames until :meth:`close`.

        Raises:
            SourceError: the camera refuses the credentials, sends no video that can be decoded, or
                ``max_failures`` is reached.
        """
        reader = threading.Thread(target=self._run, name=f"rtsp {self._name}", daemon=True)
        reader.start()
        try:
            while not self._closed.is_set() and (frame := self._frames.get()) is not None:
                yield frame
        finally:
            was_closed = self._closed.is_set()
            self.close()
        if not was_closed:
            raise self._fault or SourceError(f"the reader of {self._name} failed unexpectedly; see the log")

    def close(self) -> None:
        """End the iterator at once; the connection goes within ``stall_timeout_s``."""
        self._closed.set()
        self._frames.end()

    def _run(self) -> None:
        try:
            self._keep_reading()
        finally:
            self._frames.end()

    def _keep_reading(self) -> None:
        while not self._closed.is_set():
            try:
                self._read_connection()
                self.last_error = "the camera ended the stream"
            except _HOPELESS as error:
                self._fault = SourceError(f"cannot watch {self._name}: {error.strerror}")
                return
            except (FFmpegError, SourceError) as error:
                self.last_error = str(getattr(error, "strerror", None) or error)
            self._failures += 1
            if self._max_failures is not None and self._failures >= self._max_failures:
                self._fault = SourceError(f"gave up on {self._name} after {self._failures} tries: {self.last_error}")
                return
            if not self._closed.wait(self._backoff.next_delay_s()):
                self.reconnects += 1

    def _read_connection(self) -> None:
        with self._open_container(self._url) as container:
            if not container.streams.video:
                raise SourceError(f"{self._name} offers no video")
            track = container.streams.video[0]
            self._clock.restart()
            for packet in container.demux(track):
                if self._closed.is_set():
                    return
                for picture in self._decode(track.codec_context, packet):
                    self._frames.put(to_frame(picture, self._clock.capture_ms(picture), self._max_side_px))
                    self._failures = 0
                    self._backoff.reset()

    def _decode(self, context: VideoCodecContext, packet: object) -> list[av.VideoFrame]:
        """Return the packet's whole pictures; a lost RTP packet costs pictures, not the connection."""
        try:
            pictures = context.decode(cast("av.Packet", packet))
        except InvalidDataError:
            self.damaged += 1
            return []
        whole = [picture for picture in pictures if not picture.is_corrupt]
        self.damaged += len(pictures) - len(whole)
        return whole

    def _open_rtsp(self, url: str) -> InputContainer:
        return av.open(url, "r", format="rtsp", options=_OPTIONS, timeout=self._timeouts, metadata_errors="replace")


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
