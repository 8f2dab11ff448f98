"""A network camera as a source, over RTSP (RFC 2326, RFC 7826), through any number of disconnections."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import av
from av.container import InputContainer
from av.error import (
    DecoderNotFoundError,
    ExitError,
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
from hermes_ray.video.sources.address import CameraAddress
from hermes_ray.video.sources.backoff import Backoff
from hermes_ray.video.sources.capture_clock import CaptureClock
from hermes_ray.video.sources.latest import LatestFrames
from hermes_ray.video.sources.rtsp_faults import describe, resolve

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
        url: ``rtsp://`` or ``rtsps://``; see :class:`~hermes_ray.video.sources.address.CameraAddress`.
        max_side_px: shrink frames so that their longer side is at most this.
        connect_timeout_s: how long connecting may take, seconds.
        stall_timeout_s: how long the camera may be silent before the connection counts as lost, seconds.
        max_failures: give up after this many failed connections in a row, without one frame between.
        backoff: waits between connections.
        capacity: frames kept for a slow caller before the oldest are dropped.
        on_fault: called, in the source's thread, with the reason whenever a connection failed or ended, and while one
            brings no picture.

    Attributes:
        reconnects: times it connected again, or tried to.
        damaged: pictures left out because they arrived incomplete.
        address: what is watched, and how to show it.
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
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        self.address = CameraAddress.parse(url)
        self.reconnects = 0
        self.damaged = 0
        self.last_error: str | None = None
        self._max_side_px = max_side_px
        self._connect_timeout_s, self._stall_timeout_s = connect_timeout_s, stall_timeout_s
        self._max_failures = max_failures
        self._backoff = backoff or Backoff()
        self._on_fault = on_fault
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
        reader = threading.Thread(target=self._run, name=f"rtsp {self.address.shown}", daemon=True)
        reader.start()
        try:
            while not self._closed.is_set() and (frame := self._frames.get()) is not None:
                yield frame
        finally:
            was_closed = self._closed.is_set()
            self.close()
        if not was_closed:
            raise self._fault or SourceError(f"the reader of {self.address.shown} failed unexpectedly; see the log")

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
                reason = "the camera ended the stream"
            except _HOPELESS as error:
                reason = describe(error, self.address)
                self._fault = SourceError(f"cannot watch {self.address.shown}: {reason}")
                return
            except SourceError as error:
                reason = str(error)
            self._failures += 1
            self._report(reason)
            if self._max_failures is not None and self._failures >= self._max_failures:
                self._fault = SourceError(f"gave up on {self.address.shown} after {self._failures} tries: {reason}")
                return
            if not self._closed.wait(self._backoff.next_delay_s()):
                self.reconnects += 1

    def _report(self, reason: str) -> None:
        self.last_error = reason
        if self._on_fault is not None and not self._closed.is_set():
            self._on_fault(reason)

    def _read_connection(self) -> None:
        resolve(self.address)
        began_s = time.monotonic()
        try:
            container = self._open()
        except _HOPELESS:
            raise
        except FFmpegError as error:
            silent = time.monotonic() - began_s >= self._connect_timeout_s
            raise SourceError(self._reason(error, self._connect_timeout_s if silent else None)) from error
        with container:
            if not container.streams.video:
                raise SourceError("the camera offers no video")
            self._clock.restart()
            try:
                self._read(container)
            except _HOPELESS:
                raise
            except FFmpegError as error:
                silent = isinstance(error, ExitError)  # PyAV's time-out interrupts libav
                raise SourceError(self._reason(error, self._stall_timeout_s if silent else None)) from error

    def _reason(self, error: FFmpegError, silent_s: float | None) -> str:
        return describe(error, self.address) if silent_s is None else f"no answer within {silent_s:g} s"

    def _open(self) -> InputContainer:
        timeouts = (self._connect_timeout_s, self._stall_timeout_s)
        url = self.address.url
        return av.open(url, "r", format="rtsp", options=_OPTIONS, timeout=timeouts, metadata_errors="replace")

    def _read(self, container: InputContainer) -> None:
        track = container.streams.video[0]
        shown_s = time.monotonic()
        for packet in container.demux(track):
            if self._closed.is_set():
                return
            for picture in self._decode(track.codec_context, packet):
                aspect = track.codec_context.sample_aspect_ratio
                capture_ms = self._clock.capture_ms(picture)
                self._frames.put(to_frame(picture, capture_ms, self._max_side_px, pixel_aspect=aspect))
                self._failures = 0
                self._backoff.reset()
                shown_s = time.monotonic()
            if time.monotonic() - shown_s > self._stall_timeout_s:
                self._report("the camera sends video, but no picture of it can be decoded yet")
                shown_s = time.monotonic()

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
