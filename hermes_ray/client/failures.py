"""What goes wrong with a request, as the typed errors of :mod:`hermes_ray.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from hermes_ray.api.problems.kinds import KINDS, MEDIA_TYPE
from hermes_ray.api.schemas.pictures import MEDIA_TYPE as PICTURE_TYPE
from hermes_ray.errors import ApiError, ApiUnreachable, ClusterError, HermesError, InvalidRequest, Overloaded

_OWN_MODULES = "hermes_ray."
_RETRY_AFTER_S = 1.0


def checked(response: httpx.Response) -> Any:
    """The JSON body of a response that has been read; ``None`` for one without content.

    Raises:
        HermesError: the server's problem, as its own class.
        ApiUnreachable: that is no answer of this API.
        ClusterError: Serve answers, and has no application to ask.
    """
    if response.is_success:
        return None if response.status_code == httpx.codes.NO_CONTENT else _json(response)
    content_type = response.headers.get("content-type", "").partition(";")[0]
    if content_type == MEDIA_TYPE:
        raise error_of(_json(response), response.headers.get("retry-after"))
    # Ray Serve's proxy answers in plain text when it cannot reach the application.
    reason = f"{response.request.url} answered {response.status_code}: {response.text[:200]}"
    raise ClusterError(reason) if response.status_code == 503 else ApiUnreachable(reason)


def picture_bytes(response: httpx.Response) -> bytes:
    """The JPEG file of an answer.

    Raises:
        HermesError: the error that the answer stands for.
        ApiUnreachable: that is no picture of this API.
    """
    if not response.is_success or response.headers.get("content-type") != PICTURE_TYPE:
        checked(response)
        raise ApiUnreachable(f"{response.request.url} does not answer with a picture; is it a hermes API?")
    return response.content


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ApiUnreachable(f"{response.request.url} does not answer in JSON; is it a hermes API?") from error


def error_of(problem: dict[str, Any], retry_after: str | None = None) -> HermesError:
    """The typed error that a problem object stands for; an unknown code gives :class:`ApiError`.

    Args:
        problem: as RFC 9457 and this API's ``code`` describe it.
        retry_after: the header of that name. A date (RFC 9110, section 10.2.3), which only proxies write, counts for
            the default of a second.
    """
    message = str(problem.get("detail") or problem.get("title") or problem)
    error_class = _error_classes().get(problem.get("code", ""), ApiError)
    if issubclass(error_class, Overloaded | ClusterError):
        seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else _RETRY_AFTER_S
        return error_class(message, retry_after_s=seconds)
    return error_class(message)


def _error_classes() -> dict[str, type[HermesError]]:
    """The class for every code that the API answers with."""
    # What only HTTP knows is a request that should not have been sent.
    found: dict[str, type[HermesError]] = dict.fromkeys(("malformed-json", "unsupported-content-type"), InvalidRequest)
    waiting: list[type[HermesError]] = [HermesError]
    while waiting:
        error_class = waiting.pop()
        # Ray adds subclasses of its own to every error that it carries, and those cannot be made from a message.
        waiting.extend(own for own in error_class.__subclasses__() if own.__module__.startswith(_OWN_MODULES))
        if error_class.code in KINDS:
            found[error_class.code] = error_class
    return found


@contextmanager
def reachable() -> Iterator[None]:
    """Turn httpx's errors into :class:`ApiUnreachable`."""
    try:
        yield
    except httpx.HTTPError as error:
        raise ApiUnreachable(f"no answer from the API: {error or type(error).__name__}") from error


@contextmanager
def valid() -> Iterator[None]:
    """Turn an answer of another shape into :class:`ApiUnreachable`."""
    try:
        yield
    except ValidationError as error:
        raise ApiUnreachable(f"the API answers in a form that this client does not know: {error}") from error
