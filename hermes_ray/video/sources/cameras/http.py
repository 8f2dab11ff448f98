"""A network camera as a source over HTTP: motion JPEG, or a snapshot that is fetched again and again."""

import time
from collections.abc import Callable, Generator, Iterator

import httpx

from hermes_ray.errors import MediaError, SourceError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.cameras.address import HTTP_SCHEMES, CameraAddress
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.cameras.live import LastingFault, LiveSource
from hermes_ray.video.sources.cameras.multipart import boundary_of, parts
from hermes_ray.video.sources.stills import still_frame

_PLAIN = {"accept-encoding": "identity"}
"""Pictures are compressed already; and what must not inflate is no bomb."""
_REFUSED = {401: "refuses the user or the password (401 Unauthorized)", 403: "forbids to watch (403 Forbidden)"}


class HttpSource(LiveSource):
    """Frames of a camera that answers HTTP: which kind it is, its Content-Type says.

    ``multipart/x-mixed-replace`` is motion JPEG. A picture is a snapshot and is fetched ``fps`` times a second, with
    the validators of RFC 9110, section 8.8, so that one that has not changed is neither sent nor yielded again. Capture
    time is this machine's clock when the picture has arrived; times strictly increase. Redirects are not followed: a
    camera does not choose what this machine fetches.

    Args:
        url: ``http://`` or ``https://``, with user and password if the camera wants them (Basic or Digest).
        fps: how often to fetch a snapshot, times a second.
        limits: a picture beyond them is left out and counts as damaged; a larger payload ends the connection.
        connect_timeout_s: how long connecting may take, seconds.
        stall_timeout_s: how long the camera may be silent, and a snapshot may take, seconds.
        max_failures: see :class:`~hermes_ray.video.sources.cameras.live.LiveSource`, and for what follows.
        backoff: likewise.
        capacity: likewise.
        on_fault: likewise.

    Raises:
        SourceError: the URL is no HTTP URL.
    """

    def __init__(
        self,
        url: str,
        *,
        fps: float,
        limits: DecodeLimits | None = None,
        connect_timeout_s: float = 10.0,
        stall_timeout_s: float = 10.0,
        max_failures: int | None = None,
        backoff: Backoff | None = None,
        capacity: int = 4,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        self.address = CameraAddress.parse(url, HTTP_SCHEMES)
        super().__init__(
            self.address.shown, max_failures=max_failures, backoff=backoff, capacity=capacity, on_fault=on_fault
        )
        try:
            self._url = httpx.URL(self.address.url)
        except httpx.InvalidURL as error:
            raise SourceError(f"{self.shown} names no host that HTTP knows; write its name or address") from error
        self._period_s = 1 / fps
        self._limits = limits or DecodeLimits()
        self._timeout = httpx.Timeout(stall_timeout_s, connect=connect_timeout_s)
        self._stall_timeout_s = stall_timeout_s
        self._last_ms = 0
        self._shown_s = 0.0

    def _read_connection(self) -> None:
        self._shown_s = time.monotonic() - self._stall_timeout_s
        login = _Login(self._url.username, self._url.password) if self.address.has_user else None
        validators: dict[str, str] = {}
        try:
            with httpx.Client(headers=_PLAIN, timeout=self._timeout, auth=login, trust_env=False) as client:
                while not self._closed.is_set():
                    due_s = time.monotonic() + self._period_s
                    with client.stream("GET", self._url.copy_with(userinfo=b""), headers=validators) as response:
                        if not self._read(response):
                            return
                        validators = _validators(response) or validators
                    if self._closed.wait(max(0.0, due_s - time.monotonic())):
                        return
        except httpx.HTTPError as error:
            raise SourceError(self._describe(error)) from error

    def _read(self, response: httpx.Response) -> bool:
        """Take the pictures of an answer; false if there was more to it than one, and it has ended."""
        self._check_status(response)
        content_type = response.headers.get("content-type", "")
        if content_type.lower().startswith("multipart/"):
            self.codec = "motion JPEG"
            for payload in parts(self._chunks(response), boundary_of(content_type), self._limits.max_encoded_bytes):
                self._take(payload)
            return False
        self.codec = "snapshots"
        if response.status_code != httpx.codes.NOT_MODIFIED:
            self._take(self._body(response))
        return True

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _REFUSED:
            raise LastingFault(f"the camera {_REFUSED[status]}")
        if response.has_redirect_location:
            raise LastingFault(f"the camera answers that the pictures are elsewhere ({status}); write that address")
        if status == httpx.codes.NOT_FOUND:
            raise SourceError("the camera has no such page (404 Not Found); check the path")
        if status not in (httpx.codes.OK, httpx.codes.NOT_MODIFIED):
            raise SourceError(f"the camera answers {status} instead of pictures")

    def _chunks(self, response: httpx.Response) -> Iterator[bytes]:
        for chunk in response.iter_raw():
            if self._closed.is_set():
                return
            yield chunk

    def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        end_s = time.monotonic() + self._stall_timeout_s
        for chunk in self._chunks(response):
            body += chunk
            if len(body) > self._limits.max_encoded_bytes:
                raise SourceError(
                    f"the snapshot has more than {self._limits.max_encoded_bytes} bytes; "
                    f"let the camera send smaller ones or raise video.max_encoded_bytes"
                )
            if time.monotonic() > end_s:
                raise SourceError(f"the snapshot was not complete within {self._stall_timeout_s:g} s")
        return bytes(body)

    def _take(self, payload: bytes) -> None:
        if self._closed.is_set():
            return
        capture_ms = max(round(time.time() * 1000), self._last_ms + 1)
        if not self._is_wanted(capture_ms):
            return
        try:
            frame = still_frame(payload, capture_ms, self._limits)
        except MediaError as error:
            self.damaged += 1
            if time.monotonic() - self._shown_s >= self._stall_timeout_s:
                self._report(f"what the camera sends cannot be used: {error}")
                self._shown_s = time.monotonic()
            return
        self._last_ms = capture_ms
        self._shown_s = time.monotonic()
        self._put(frame)

    def _describe(self, error: httpx.HTTPError) -> str:
        """Say what an error means. Only its kind: its text may hold the address."""
        if isinstance(error, httpx.TimeoutException):
            timeout_s = self._timeout.connect if isinstance(error, httpx.ConnectTimeout) else self._stall_timeout_s
            return f"no answer within {timeout_s:g} s"
        if isinstance(error, httpx.ConnectError):
            said = str(error)
            if "CERTIFICATE" in said.upper():
                return "the camera's certificate is not trusted; put its authority's into the machine's store"
            return "not reached: connection refused, or no such host; check host and port"
        return "the connection broke, or what answers there does not speak HTTP; check the port"


class _Login(httpx.Auth):
    """Basic or Digest (RFC 7617, RFC 7616), whichever the camera asks for; nothing is sent before it asks."""

    def __init__(self, user: str, password: str) -> None:
        self._basic = httpx.BasicAuth(user, password)
        self._digest = httpx.DigestAuth(user, password)
        self._chosen: httpx.Auth | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._chosen is None:
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            asked = ",".join(response.headers.get_list("www-authenticate")).lower()
            self._chosen = self._digest if "digest" in asked else self._basic
        yield from self._chosen.auth_flow(request)


def _validators(response: httpx.Response) -> dict[str, str]:
    named = {"etag": "if-none-match", "last-modified": "if-modified-since"}
    return {asked: response.headers[told] for told, asked in named.items() if told in response.headers}
