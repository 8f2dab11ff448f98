"""What the API can answer as ``application/problem+json`` (RFC 9457). Knows no web framework: clients read it too.

``type`` is the path-absolute reference ``/problems/CODE``; the API serves a description there. The code is the
error's own (:mod:`hermes_ray.errors`), or one of the few below that only HTTP knows. Extension members:
``code``, ``request_id``, ``errors`` (wrong fields of a request), ``missing`` (what readiness waits for) and, on the
OpenAI-compatible routes, ``error`` in OpenAI's shape so that its clients show the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hermes_ray.errors import HermesError

MEDIA_TYPE = "application/problem+json"
_OPENAI_PATHS = ("/v1/chat/", "/v1/models", "/v1/responses")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What every occurrence of one problem has in common.

    Attributes:
        status: HTTP status code.
        title: short, the same for every occurrence.
        advice: what the caller can do.
    """

    code: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        """The problem's ``type``: a URI reference relative to the API's root."""
        return f"/problems/{self.code}"


INTERNAL = ProblemKind(
    "internal", 500, "Internal error", "Report it with the request_id; the server's log holds the cause under it."
)

_KINDS = (
    INTERNAL,
    # Known only to HTTP.
    ProblemKind("malformed-json", 400, "The body is not valid JSON", "Send one JSON object, encoded as UTF-8."),
    ProblemKind("wrong-host", 421, "Not a name of this API", "Call it by a name that api.access.hosts allows."),
    ProblemKind(
        "foreign-origin",
        403,
        "A foreign web page",
        "Name its origin in api.access.origins, and send only what detail allows.",
    ),
    ProblemKind("not-found", 404, "No such path", "See /docs for the paths that exist."),
    ProblemKind("method-not-allowed", 405, "Method not allowed", "Use a method that the Allow header names."),
    ProblemKind(
        "body-timeout", 408, "The body came too slowly", "Send the whole body at once; detail states the limit."
    ),
    ProblemKind("body-too-large", 413, "The body is too large", "Send less; detail states the limit."),
    ProblemKind("unsupported-content-type", 415, "The body is not JSON", "Set content-type: application/json."),
    ProblemKind("invalid-request", 422, "The request has wrong fields", "Correct the fields listed in errors."),
    # Of who calls.
    ProblemKind(
        "unauthorized", 401, "No valid API key", "Send a key as Authorization: Bearer KEY; `hermes keys` makes one."
    ),
    ProblemKind("forbidden", 403, "Not allowed", "Use a key that has the scope which detail names."),
    ProblemKind("rate-limited", 429, "Too much at once from one caller", "Try again after Retry-After seconds."),
    # Raised by the engine, the cluster and their callers.
    ProblemKind("invalid-stream-id", 422, "Not a stream id", "Use 1 to 128 characters out of A-Z a-z 0-9 . _ -"),
    ProblemKind("unknown-stream", 404, "Unknown stream", "GET /v1/streams lists the streams that have been seen."),
    ProblemKind("unknown-worker", 404, "No such memory worker", "GET /v1/workers lists the workers."),
    ProblemKind("unknown-frame", 404, "No such frame yet", "Ask for a frame below the stream's frames_seen."),
    ProblemKind("frame-gone", 410, "No picture of this frame", "detail says why; /memory names the frames left."),
    ProblemKind(
        "unknown-standing-question",
        404,
        "Unknown standing question",
        "GET /v1/standing-questions lists those that there are.",
    ),
    ProblemKind(
        "standing-question-exists", 409, "A standing question of that name", "Remove it first, or use another name."
    ),
    ProblemKind(
        "stream-exists", 409, "The stream has a memory", "Use another id, or set replace=true to lose that one."
    ),
    ProblemKind(
        "invalid-memory", 422, "Not a memory for this system", "Import a file that this model's system exported."
    ),
    ProblemKind("invalid-question", 422, "The question cannot be asked", "Ask a shorter or non-empty question."),
    ProblemKind("question-failed", 500, "This question failed", "Ask otherwise; other questions are not concerned."),
    ProblemKind("overloaded", 429, "Too many questions are waiting", "Try again after Retry-After seconds."),
    ProblemKind("no-free-slot", 503, "No room for the stream's memory", "Try again after Retry-After seconds."),
    ProblemKind("question-timeout", 504, "The answer took too long", "Allow more time with timeout_s."),
    ProblemKind("engine-closed", 503, "The worker is shutting down", "Try again after Retry-After seconds."),
    ProblemKind("not-ready", 503, "Not ready", "Try again after Retry-After seconds; /readyz says what is missing."),
    ProblemKind("stale-epoch", 503, "The stream is moving", "Try again after Retry-After seconds."),
    ProblemKind("worker-unavailable", 503, "The stream's worker is down", "Try again after Retry-After seconds."),
    ProblemKind("unknown-event", 404, "No such event", "GET /v1/events lists those that are kept."),
    ProblemKind(
        "events-place-lost",
        410,
        "A place in events that are gone",
        "Begin again without Last-Event-ID or cursor; GET /v1/events lists what is kept.",
    ),
    ProblemKind(
        "events-unavailable", 503, "Events cannot be reached", "Try again after Retry-After seconds; detail says why."
    ),
    ProblemKind("snapshot", 503, "The snapshot store cannot be used", "Look at the store; nothing has changed."),
    ProblemKind("cluster", 503, "The cluster cannot serve this now", "Try again after Retry-After seconds."),
)

KINDS: Mapping[str, ProblemKind] = {kind.code: kind for kind in _KINDS}
"""Every problem this API can answer with, by code."""


def kind_of(error: HermesError) -> ProblemKind:
    """The problem that an error is shown as: its own, else its nearest ancestor's, else ``internal``."""
    codes = (getattr(cls, "code", INTERNAL.code) for cls in type(error).__mro__)
    return next((KINDS[code] for code in codes if code in KINDS), INTERNAL)


def problem_of(error: HermesError, *, request_id: str, instance: str) -> dict[str, Any]:
    """The problem object for a typed error. An error with no kind of its own shows nothing of its message."""
    kind = kind_of(error)
    detail = kind.advice if kind is INTERNAL else str(error) or kind.title
    return problem_body(kind, detail, request_id=request_id, instance=instance)


def problem_body(
    kind: ProblemKind, detail: str, *, request_id: str, instance: str, **members: object
) -> dict[str, Any]:
    """A problem object with its extension members, in the order that a reader wants them."""
    body = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "code": kind.code,
        "request_id": request_id,
        **members,
    }
    if instance.startswith(_OPENAI_PATHS):
        wrong = members.get("errors")
        body["error"] = openai_error(kind, detail, wrong[0]["field"] if isinstance(wrong, list) else None)
    return body


def openai_error(kind: ProblemKind, detail: str, param: str | None = None) -> dict[str, object]:
    """The same problem in the shape that OpenAI's clients read; ``param`` is the first wrong field."""
    family = "invalid_request_error" if kind.status < 500 else "server_error"
    return {"message": detail, "type": family, "param": param, "code": kind.code}
