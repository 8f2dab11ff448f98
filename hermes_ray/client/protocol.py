"""The HTTP API as plain values: what each call sends, how long it waits, and what its answer is. Does no I/O."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import httpx

from hermes_ray.api.listing.page import MOST_ON_A_PAGE
from hermes_ray.api.openai.completions import Model, ModelList
from hermes_ray.api.schemas.memory import MemoryMapResponse, StreamImportResponse
from hermes_ray.api.schemas.pictures import CAPTURED_HEADER, FRAME_HEADER, picture_path
from hermes_ray.api.schemas.questions import AnswerResponse
from hermes_ray.api.schemas.several_streams import StreamResult, StreamsQueryResponse
from hermes_ray.api.schemas.standing_questions import StandingQuestionList, StandingQuestionResponse
from hermes_ray.api.schemas.streams import (
    StreamErasureResponse,
    StreamListResponse,
    StreamResetResponse,
    StreamResponse,
)
from hermes_ray.api.schemas.understanding import ExamplesResponse
from hermes_ray.client.failures import checked, picture_bytes, valid
from hermes_ray.config import API_KEY_VARIABLE
from hermes_ray.errors import ApiUnreachable, ConfigError

CONNECT_TIMEOUT_S = 5.0
"""For the connection alone, seconds."""

FOLLOW_SILENCE_S = 35.0
"""Longest silence of who follows events, seconds: three heartbeats of the server."""
_ALIVE_TIMEOUT_S = 10.0
# For the answer of a router that only has to say that it lives.
_QUIET_TIMEOUT_S = 30.0
# Longest silence of a list request or an event stream: three heartbeats of the server.
_RESET_TIMEOUT_S = 60.0
# For frames that are being applied, and a slow snapshot store.
_ERASE_TIMEOUT_S = 90.0
# The same, and a stream that is moving.
_IMPORT_TIMEOUT_S = 150.0
# For a large memory that is checked, brought to its worker and stored.
_ANSWER_MARGIN_S = 10.0
# The server answers 504 at the caller's timeout; only a server that hangs is cut off here.
_SERVER_DEFAULT_TIMEOUT_S = 600.0

_STANDING = "/v1/standing-questions"

Result = TypeVar("Result")


class AskParameters(TypedDict, total=False):
    """What may accompany a question; see :class:`~hermes_ray.api.schemas.questions.QueryRequest`."""

    max_tokens: int
    temperature: float
    seed: int
    timeout_s: float
    options: Sequence[str]
    as_of: str | datetime
    session_id: str
    history: bool


class StreamWishes(TypedDict, total=False):
    """Which streams are listed, in which order; see :class:`~hermes_ray.api.schemas.stream_list.StreamListQuery`."""

    id: Sequence[str]
    state: Sequence[str]
    worker: Sequence[str]
    label: Sequence[str]
    sort: str


class StreamChange(TypedDict, total=False):
    """What is set for a stream; see :class:`~hermes_ray.api.schemas.stream_settings.StreamPatch`."""

    labels: Mapping[str, str | None] | None
    fps: float | None
    retention_days: float | None
    policy: str
    budget_tokens: int


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One request.

    Attributes:
        method: of HTTP.
        path: below the API's address.
        read: what the body of a successful answer means.
        body: sent as JSON.
        silence_s: how long the server may be silent, seconds.
        unpack: gets the body out of an answer, by default as JSON; raises what a failure stands for.
    """

    method: str
    path: str
    read: Callable[[Any], Result]
    body: Mapping[str, Any] | None = None
    silence_s: float = _QUIET_TIMEOUT_S
    unpack: Callable[[httpx.Response], Any] = checked

    @property
    def timeout(self) -> httpx.Timeout:
        """Its limits, in httpx's form."""
        return httpx.Timeout(self.silence_s, connect=CONNECT_TIMEOUT_S)

    def result(self, response: httpx.Response) -> Result:
        """What the answer says.

        Raises:
            HermesError: the server's problem, as its own class.
        """
        with valid():
            return self.read(self.unpack(response))


@dataclass(frozen=True, slots=True)
class Picture:
    """What one frame looked like.

    Attributes:
        frame: its number in its stream, from 0.
        captured_ms: when it was captured, ms since epoch.
        jpeg: the picture.
    """

    frame: int
    captured_ms: int
    jpeg: bytes


def alive() -> Call[None]:
    """Does an API live there, ready or not?"""
    return Call("GET", "/healthz", _nothing, silence_s=_ALIVE_TIMEOUT_S)


def ready() -> Call[None]:
    """Can the system answer questions?"""
    return Call("GET", "/readyz", _nothing)


def streams(wanted: StreamWishes, limit: int | None, cursor: str | None) -> Call[StreamListResponse]:
    """A page of the streams.

    Args:
        wanted: which of them, in which order.
        limit: how many at most; ``None`` for a whole page.
        cursor: of the page; ``None`` for the first.
    """
    parameters = {name: value for name, value in wanted.items() if value}
    page = {"limit": None if limit is None else min(limit, MOST_ON_A_PAGE), "cursor": cursor}
    query = urlencode(parameters | {name: value for name, value in page.items() if value is not None}, doseq=True)
    return Call("GET", f"/v1/streams?{query}".rstrip("?"), StreamListResponse.model_validate)


def stream(stream_id: str) -> Call[StreamResponse]:
    """One stream."""
    return Call("GET", _path(stream_id), StreamResponse.model_validate)


def memory_map(stream_id: str) -> Call[MemoryMapResponse]:
    """What each tier of a stream's memory still holds of every frame."""
    return Call("GET", f"{_path(stream_id)}/memory", MemoryMapResponse.model_validate)


def examples(stream_id: str) -> Call[list[str]]:
    """Questions that a stream's model understands."""
    return Call("GET", f"{_path(stream_id)}/examples", lambda found: ExamplesResponse.model_validate(found).examples)


def picture(stream_id: str, frame: int | None) -> Call[Picture]:
    """What a frame looked like, the newest without a number."""
    return Call("GET", picture_path(quote(stream_id, safe=""), frame), lambda found: found, unpack=_picture_in)


def reset(stream_id: str) -> Call[StreamResetResponse]:
    """Forget what a stream's memory has seen."""
    path = f"{_path(stream_id)}/reset"
    return Call("POST", path, StreamResetResponse.model_validate, silence_s=_RESET_TIMEOUT_S)


def configure(stream_id: str, change: StreamChange) -> Call[StreamResponse]:
    """Change what is set for a stream alone."""
    return Call("PATCH", _path(stream_id), StreamResponse.model_validate, dict(change), _RESET_TIMEOUT_S)


def forget(stream_id: str) -> Call[StreamErasureResponse | None]:
    """Forget a stream and all that is kept of it."""
    return Call("DELETE", _path(stream_id), _if_any(StreamErasureResponse.model_validate), silence_s=_ERASE_TIMEOUT_S)


def export_memory(stream_id: str) -> Call[None]:
    """A stream's memory; its bytes are the answer."""
    return Call("GET", f"{_path(stream_id)}/export", _nothing, silence_s=_ERASE_TIMEOUT_S)


def import_memory(stream_id: str, *, replace: bool) -> Call[StreamImportResponse]:
    """Begin a stream with a memory, which is the body."""
    path = f"{_path(stream_id)}/import{'?replace=true' if replace else ''}"
    return Call("POST", path, StreamImportResponse.model_validate, silence_s=_IMPORT_TIMEOUT_S)


def standing_questions() -> Call[list[StandingQuestionResponse]]:
    """Every standing question."""
    return Call("GET", _STANDING, lambda body: StandingQuestionList.model_validate(body).standing_questions)


def add_standing_question(question: Mapping[str, Any]) -> Call[StandingQuestionResponse]:
    """Make a standing question."""
    return Call("POST", _STANDING, StandingQuestionResponse.model_validate, question, _RESET_TIMEOUT_S)


def mute_standing_question(name: str, *, muted: bool) -> Call[StandingQuestionResponse]:
    """Mute a standing question, or unmute it."""
    path = f"{_STANDING}/{quote(name, safe='')}"
    return Call("PATCH", path, StandingQuestionResponse.model_validate, {"muted": muted}, _RESET_TIMEOUT_S)


def replace_standing_question(question: Mapping[str, Any]) -> Call[StandingQuestionResponse]:
    """Put one in the place of another of its name."""
    path = f"{_STANDING}/{quote(str(question.get('name', '')), safe='')}"
    return Call("PUT", path, StandingQuestionResponse.model_validate, question, _RESET_TIMEOUT_S)


def remove_standing_question(name: str) -> Call[None]:
    """Remove a standing question."""
    return Call("DELETE", f"{_STANDING}/{quote(name, safe='')}", _nothing, silence_s=_RESET_TIMEOUT_S)


def models() -> Call[list[Model]]:
    """Every stream, under the name that it has for OpenAI's clients."""
    return Call("GET", "/v1/models", lambda body: ModelList.model_validate(body).data)


def ask(stream_id: str, question: str, parameters: AskParameters, *, streamed: bool = False) -> Call[AnswerResponse]:
    """A question; streamed, its answer is an event stream."""
    body: dict[str, Any] = {"question": question, **parameters}
    if isinstance(moment := body.get("as_of"), datetime):
        body["as_of"] = moment.isoformat()
    path = f"{_path(stream_id)}/query"
    if streamed:
        return Call("POST", path, AnswerResponse.model_validate, body | {"stream": True})
    silence_s = (parameters.get("timeout_s") or _SERVER_DEFAULT_TIMEOUT_S) + _ANSWER_MARGIN_S
    return Call("POST", path, AnswerResponse.model_validate, body, silence_s)


def ask_all(
    streams: Sequence[str], question: str, parameters: AskParameters, *, streamed: bool = False
) -> Call[list[StreamResult]]:
    """A question to several streams; streamed, its answers are an event stream."""
    one = ask("", question, parameters, streamed=streamed)
    body = {**(one.body or {}), "streams": list(streams)}
    return Call(
        "POST", "/v1/query", lambda found: StreamsQueryResponse.model_validate(found).results, body, one.silence_s
    )


def headers(api_key: str | None) -> dict[str, str]:
    """What every request carries.

    Args:
        api_key: the key's secret; ``None`` for what :data:`API_KEY_VARIABLE` holds, if it is set.

    Raises:
        ConfigError: that can be no key.
    """
    key = os.environ.get(API_KEY_VARIABLE, "") if api_key is None else api_key
    if not key.isascii() or not key.isprintable():
        raise ConfigError("the API key holds characters that no key has; is it the right file or variable?")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _path(stream_id: str) -> str:
    return f"/v1/streams/{quote(stream_id, safe='')}"


def _if_any(read: Callable[[Any], Result]) -> Callable[[Any], Result | None]:
    return lambda body: None if body is None else read(body)


def _nothing(_: Any) -> None:
    return None


def _picture_in(response: httpx.Response) -> Picture:
    picture = picture_bytes(response)
    try:
        frame, captured_ms = (int(response.headers[name]) for name in (FRAME_HEADER, CAPTURED_HEADER))
    except (KeyError, ValueError) as error:
        raise ApiUnreachable(f"{response.request.url} answers with a picture of no frame") from error
    return Picture(frame, captured_ms, picture)
