"""Why an RTSP camera is not watched, in words that say what to do. No word of them is out of the address."""

import socket

from av import error as libav
from av.error import (
    DecoderNotFoundError,
    FFmpegError,
    HTTPBadRequestError,
    HTTPClientError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPServerError,
    HTTPUnauthorizedError,
    InvalidDataError,
)

from hermes_ray.errors import SourceError
from hermes_ray.video.sources.cameras.address import CameraAddress

_WORDS: tuple[tuple[type[FFmpegError], str], ...] = (
    (libav.ConnectionRefusedError, "connection refused; nothing listens on that port of that host"),
    (HTTPBadRequestError, "the camera does not understand the request (400 Bad Request); check the path"),
    (HTTPForbiddenError, "the camera forbids this user to watch (403 Forbidden)"),
    (HTTPNotFoundError, "the camera has no such stream (404 Not Found); check the path"),
    (
        HTTPClientError,
        "the camera refuses the request (a 4xx status); check the path, and that it offers RTSP over TCP",
    ),
    (HTTPServerError, "the camera cannot serve the stream (a 5xx status); it may have too many viewers"),
    (DecoderNotFoundError, "no decoder here reads the camera's video; let it send H.264"),
    (InvalidDataError, "what answers there hung up or does not speak RTSP; check the port"),
)


def resolve(address: CameraAddress) -> None:
    """Look up the host, as libav would only report an input/output error.

    Raises:
        SourceError: there is no address for that name.
    """
    try:
        socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SourceError(f"the host name cannot be resolved ({error.strerror})") from error


def describe(error: FFmpegError, address: CameraAddress) -> str:
    """Say what an error of libav means that opening or reading the camera at ``address`` raised."""
    if isinstance(error, HTTPUnauthorizedError):
        asked = "refuses the user or the password" if address.has_user else "asks for a user and a password"
        return f"the camera {asked} (401 Unauthorized)"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return str(error.strerror or type(error).__name__).lower()
