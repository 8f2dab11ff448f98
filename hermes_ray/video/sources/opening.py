"""What the name of a source opens: a file, a directory, a camera."""

from collections.abc import Callable
from pathlib import Path

from hermes_ray.errors import SourceError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.base import Source
from hermes_ray.video.sources.cameras.address import HTTP_SCHEMES, RTSP_SCHEMES, scheme_of, without_secrets
from hermes_ray.video.sources.cameras.live import LiveSource
from hermes_ray.video.sources.cameras.rtsp import RtspSource
from hermes_ray.video.sources.cameras.webcam import WebcamSource, is_webcam
from hermes_ray.video.sources.directory import PictureDirectory
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.simulated import SimulatedCamera

_SIMULATED = "sim"
_MAX_SEED_DIGITS = 18


def open_source(
    source: str,
    *,
    fps: float,
    loop: bool,
    realtime: bool,
    limits: DecodeLimits | None = None,
    max_failures: int | None = None,
    on_fault: Callable[[str], object] | None = None,
) -> Source:
    """Make the source of that name; it is opened at its first frame.

    Args:
        source: a file, a directory, ``rtsp://...``, ``http://...``, ``/dev/video0`` or ``sim://SEED``.
        fps: frame rate of a simulated camera, of a directory, and of a snapshot.
        loop: start a file or a directory over at its end.
        realtime: pace what is no camera by its own clock.
        limits: for pictures that are not part of a video.
        max_failures: of a camera: give up after so many failed connections in a row; by default never.
        on_fault: told why a camera is not watched, whenever a connection fails.

    Raises:
        SourceError: no such file, an address that cannot be used, or a seed that is no number. Never shows a password.
    """
    from hermes_ray.video.sources.cameras.http import HttpSource  # loads an HTTP library, which few sources need

    scheme = scheme_of(source)
    if scheme == _SIMULATED:
        return _simulated(source, fps, realtime)
    if scheme in RTSP_SCHEMES:
        return RtspSource(source, max_failures=max_failures, on_fault=on_fault)
    if scheme in HTTP_SCHEMES:
        return HttpSource(source, fps=fps, limits=limits, max_failures=max_failures, on_fault=on_fault)
    if is_webcam(source):
        return WebcamSource(source, max_failures=max_failures, on_fault=on_fault)
    if _is(Path.is_dir, source):
        return PictureDirectory(Path(source), fps=fps, loop=loop, realtime=realtime, limits=limits)
    if not _is(Path.is_file, source):
        raise SourceError(
            f"{without_secrets(source)} is neither a file, nor a directory, nor a device /dev/video0, nor an address "
            f"that begins with rtsp://, http:// or sim://"
        )
    return FileSource(Path(source), loop=loop, realtime=realtime)


def is_simulated(named: str) -> bool:
    """Whether a source of that name is a simulated camera."""
    return scheme_of(named) == _SIMULATED


def shown_name(source: Source, named: str) -> str:
    """Return how to call a source in logs and messages: without anything that may be a password."""
    return source.shown if isinstance(source, LiveSource) else named


def holds_password(source: Source) -> bool:
    """Whether the name of a source held a password."""
    from hermes_ray.video.sources.cameras.http import HttpSource

    return isinstance(source, HttpSource | RtspSource) and source.address.has_password


def _simulated(source: str, fps: float, realtime: bool) -> Source:
    seed = source.partition("://")[2]
    if not seed.isdecimal() or len(seed) > _MAX_SEED_DIGITS:
        raise SourceError("write a simulated camera as sim://SEED with a whole number, such as sim://7")
    return SimulatedCamera(int(seed), fps=fps, realtime=realtime)


def _is(kind: Callable[[Path], bool], source: str) -> bool:
    try:
        return kind(Path(source))
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise SourceError(f"{without_secrets(source)} cannot be looked at: {error.strerror}") from error
