"""A camera that libav reads: over RTSP, or a device of this machine."""

import time
from abc import abstractmethod
from collections.abc import Callable
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
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.capture_clock import CaptureClock
from hermes_ray.video.sources.cameras.live import LastingFault, LiveSource

_HOPELESS = (HTTPUnauthorizedError, HTTPForbiddenError, ProtocolNotFoundError, DecoderNotFoundError)
"""Faults that trying again does not mend. 404 is not among them: cameras answer it while they boot."""


class LibavCamera(LiveSource):
    """Frames of a camera that libav opens.

    Capture time is this machine's clock at a connection's first picture plus presentation time from there.

    Args:
        shown: what it is called.
        max_side_px: shrink frames so that their longer side is at most this.
        connect_timeout_s: how long connecting may take, seconds.
        stall_timeout_s: how long the camera may be silent before the connection counts as lost, seconds.
        max_failures: see :class:`~hermes_ray.video.sources.cameras.live.LiveSource`, and for what follows.
        backoff: likewise.
        capacity: likewise.
        on_fault: likewise.
    """

    def __init__(
        self,
        shown: str,
        *,
        max_side_px: int | None = None,
        connect_timeout_s: float = 10.0,
        stall_timeout_s: float = 10.0,
        max_failures: int | None = None,
        backoff: Backoff | None = None,
        capacity: int = 4,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(shown, max_failures=max_failures, backoff=backoff, capacity=capacity, on_fault=on_fault)
        self._max_side_px = max_side_px
        self._connect_timeout_s, self._stall_timeout_s = connect_timeout_s, stall_timeout_s
        self._clock = CaptureClock()

    @abstractmethod
    def _open(self) -> InputContainer:
        """Open the camera.

        Raises:
            FFmpegError: of libav.
            SourceError: known before libav is asked.
        """

    @abstractmethod
    def _describe(self, error: FFmpegError) -> str:
        """Say what an error of libav means, without any part of the address."""

    def _read_connection(self) -> None:
        began_s = time.monotonic()
        try:
            container = self._open()
        except FFmpegError as error:
            silent = time.monotonic() - began_s >= self._connect_timeout_s
            raise self._fault_of(error, self._connect_timeout_s if silent else None) from error
        with container:
            if not container.streams.video:
                raise SourceError("the camera offers no video")
            self._clock.restart()
            try:
                self._read(container)
            except FFmpegError as error:
                silent = isinstance(error, ExitError)  # PyAV's time-out interrupts libav
                raise self._fault_of(error, self._stall_timeout_s if silent else None) from error

    def _fault_of(self, error: FFmpegError, silent_s: float | None) -> SourceError:
        if isinstance(error, _HOPELESS):
            return LastingFault(self._describe(error))
        return SourceError(self._describe(error) if silent_s is None else f"no answer within {silent_s:g} s")

    def _read(self, container: InputContainer) -> None:
        track = container.streams.video[0]
        self.codec = track.codec_context.name
        shown_s = time.monotonic()
        for packet in container.demux(track):
            if self._closed.is_set():
                return
            for picture in self._decode(track.codec_context, packet):
                aspect = track.codec_context.sample_aspect_ratio
                capture_ms = self._clock.capture_ms(picture)
                if self._is_wanted(capture_ms):
                    self._put(to_frame(picture, capture_ms, self._max_side_px, pixel_aspect=aspect))
                else:
                    self._works()
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
