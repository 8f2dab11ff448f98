"""A Python client of the HTTP API. Needs only httpx."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from hermes_ray.api.problems import KINDS, MEDIA_TYPE
from hermes_ray.api.schemas import AnswerResponse, StreamListResponse, StreamResetResponse, StreamResponse, TokenEvent
from hermes_ray.config import API_KEY_VARIABLE
from hermes_ray.errors import (
    ApiError,
    ApiUnreachable,
    ClusterError,
    ConfigError,
    HermesError,
    InvalidRequest,
    Overloaded,
)

CONNECT_TIMEOUT_S = 5.0
"""For the connection alone, seconds."""

ALIVE_TIMEOUT_S = 10.0
"""For the answer of a router that only has to say that it lives, seconds."""

_OWN_MODULES = "hermes_ray."

QUIET_TIMEOUT_S = 30.0
"""Longest silence of a list request or an event stream, seconds: three heartbeats of the server."""

RESET_TIMEOUT_S = 60.0
"""For frames that are being applied, and a slow snapshot store, seconds."""

_ANSWER_MARGIN_S = 10.0
# The server answers 504 at the caller's timeout; only a server that hangs is cut off here.
_SERVER_DEFAULT_TIMEOUT_S = 600.0


class AskParameters(TypedDict, total=False):
    """What may accompany a question; see :class:`~hermes_ray.api.schemas.QueryRequest`."""

    max_tokens: int
    temperature: float
    seed: int
    timeout_s: float
    options: Sequence[str]
    as_of: str
    session_id: str


class HermesClient:
    """Lists and asks streams. Use it as a context manager, or call :meth:`close`.

    Every method raises the typed error that the server's problem names (:class:`~hermes_ray.errors.UnknownStream`,
    :class:`~hermes_ray.errors.InvalidQuestion`, :class:`~hermes_ray.errors.Overloaded` and so on), or
    :class:`~hermes_ray.errors.ApiUnreachable` when none answers.

    Args:
        base_url: for example ``http://127.0.0.1:8000``.
        api_key: the secret of an API key; by default what the environment variable ``HERMES_API_KEY`` holds, if set.

    Raises:
        ConfigError: that is no URL, or no key.
    """

    def __init__(self, base_url: str, api_key: str | None = None) -> None:
        timeout = httpx.Timeout(QUIET_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        headers = _authorization(api_key or os.environ.get(API_KEY_VARIABLE, ""))
        try:
            self._http = httpx.Client(base_url=base_url, timeout=timeout, headers=headers)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{base_url!r} is no URL of an API: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def alive(self) -> None:
        """Return if an API lives there, ready or not; within a quarter of a minute.

        Raises:
            ApiUnreachable: nothing answers, or something else.
            ClusterError: Serve answers, and has no application to ask.
        """
        with _reachable():
            response = self._http.get("/healthz", timeout=httpx.Timeout(ALIVE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S))
        _checked(response)

    def ready(self) -> None:
        """Return if the system can answer questions.

        Raises:
            NotReady: it cannot yet; the message says what is missing.
        """
        self._get("/readyz")

    def streams(self) -> list[StreamResponse]:
        """Every stream, ordered by id."""
        with _valid():
            return StreamListResponse.model_validate(self._get("/v1/streams")).streams

    def stream(self, stream_id: str) -> StreamResponse:
        """One stream."""
        with _valid():
            return StreamResponse.model_validate(self._get(_path(stream_id)))

    def reset(self, stream_id: str) -> StreamResetResponse:
        """Forget all that a stream's memory has seen, for good."""
        with _reachable():
            response = self._http.post(f"{_path(stream_id)}/reset", timeout=RESET_TIMEOUT_S)
        with _valid():
            return StreamResetResponse.model_validate(_checked(response))

    def ask(
        self,
        stream_id: str,
        question: str,
        **parameters: Unpack[AskParameters],
    ) -> AnswerResponse:
        """The whole answer. What is left out takes :class:`~hermes_ray.api.schemas.QueryRequest`'s defaults."""
        body = {"question": question, **parameters}
        read_s = (parameters.get("timeout_s") or _SERVER_DEFAULT_TIMEOUT_S) + _ANSWER_MARGIN_S
        with _reachable():
            response = self._http.post(
                f"{_path(stream_id)}/query", json=body, timeout=httpx.Timeout(read_s, connect=CONNECT_TIMEOUT_S)
            )
        with _valid():
            return AnswerResponse.model_validate(_checked(response))

    def ask_stream(
        self,
        stream_id: str,
        question: str,
        **parameters: Unpack[AskParameters],
    ) -> Iterator[TokenEvent | AnswerResponse]:
        """Tokens as they come, then the whole answer as the last item. Closing the iterator cancels the answer."""
        body = {"question": question, **parameters, "stream": True}
        with _reachable(), self._http.stream("POST", f"{_path(stream_id)}/query", json=body) as response:
            if response.is_error:
                response.read()
                _checked(response)
            for event, data in _events(response.iter_lines()):
                with _valid():
                    yield _item(event, data)
                if event == "answer":
                    return
        raise ApiUnreachable("the answer broke off before its end")

    def _get(self, path: str) -> Any:
        with _reachable():
            return _checked(self._http.get(path))


def _authorization(api_key: str) -> dict[str, str]:
    if not api_key.isascii() or not api_key.isprintable():
        raise ConfigError("the API key holds characters that no key has; is it the right file or variable?")
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _path(stream_id: str) -> str:
    return f"/v1/streams/{quote(stream_id, safe='')}"


def _item(event: str, data: str) -> TokenEvent | AnswerResponse:
    if event == "token":
        return TokenEvent.model_validate_json(data)
    if event == "answer":
        return AnswerResponse.model_validate_json(data)
    raise error_of(json.loads(data))


def _events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and data of each server-sent event (WHATWG HTML, section 9.2.6); comments are dropped."""
    event, data = "message", []
    for line in lines:
        name, _, value = line.partition(":")
        if not line:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []
        elif name == "event":
            event = value.removeprefix(" ")
        elif name == "data":
            data.append(value.removeprefix(" "))


def _checked(response: httpx.Response) -> Any:
    if response.is_success:
        return _json(response)
    content_type = response.headers.get("content-type", "").partition(";")[0]
    if content_type == MEDIA_TYPE:
        raise error_of(_json(response), response.headers.get("retry-after"))
    # Ray Serve's proxy answers in plain text when it cannot reach the application.
    reason = f"{response.request.url} answered {response.status_code}: {response.text[:200]}"
    raise ClusterError(reason) if response.status_code == 503 else ApiUnreachable(reason)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ApiUnreachable(f"{response.request.url} does not answer in JSON; is it a hermes API?") from error


def error_of(problem: dict[str, Any], retry_after: str | None = None) -> HermesError:
    """The typed error that a problem object stands for; an unknown code gives :class:`ApiError`."""
    message = str(problem.get("detail") or problem.get("title") or problem)
    error_class = _error_classes().get(problem.get("code", ""), ApiError)
    if issubclass(error_class, Overloaded | ClusterError):
        return error_class(message, retry_after_s=float(retry_after or 1))
    return error_class(message)


def _error_classes() -> dict[str, type[HermesError]]:
    """The class for every code that the API answers with."""
    # What only HTTP knows is a request that should not have been sent.
    found: dict[str, type[HermesError]] = dict.fromkeys(
        ("malformed-json", "body-too-large", "unsupported-content-type"), InvalidRequest
    )
    waiting: list[type[HermesError]] = [HermesError]
    while waiting:
        error_class = waiting.pop()
        # Ray adds subclasses of its own to every error that it carries, and those cannot be made from a message.
        waiting.extend(own for own in error_class.__subclasses__() if own.__module__.startswith(_OWN_MODULES))
        if error_class.code in KINDS:
            found[error_class.code] = error_class
    return found


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise ApiUnreachable(f"no answer from the API: {error or type(error).__name__}") from error


@contextmanager
def _valid() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise ApiUnreachable(f"the API answers in a form that this client does not know: {error}") from error
