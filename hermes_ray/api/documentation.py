"""The parts of the OpenAPI document that FastAPI cannot know: problem responses and server-sent events."""

from typing import Any

from fastapi import FastAPI

from hermes_ray.api.keys import requirements
from hermes_ray.api.problems.kinds import KINDS, MEDIA_TYPE
from hermes_ray.api.schemas.events import EventResponse
from hermes_ray.api.schemas.problem import Problem
from hermes_ray.api.schemas.questions import AnswerResponse, TokenEvent
from hermes_ray.api.schemas.several_streams import StreamResult, StreamsQueryDone
from hermes_ray.api.schemas.updates import ChangesEvent, StreamsEvent

EVERY_ROUTE = ("unauthorized", "forbidden", "foreign-origin", "wrong-host", "rate-limited", "internal")
"""Problems that any route may answer with; those that need no key lose the ones of keys."""

DESCRIPTION = """Cameras that can be asked. Each stream has a memory of bounded size, which every frame goes into; a
question reads a copy of it and changes nothing.

Where keys are set, send one as `Authorization: Bearer KEY`; each operation names the scope that it needs. Every error
is `application/problem+json` (RFC 9457): decide by its `code`, which is stable. 429 and 503 say in `Retry-After` when
to come back. Every response has an `X-Request-ID`, by which the server's log knows it."""
"""Of the API as a whole, in Markdown."""
TAGS = [
    {"name": "index", "description": "Where to go from here."},
    {"name": "streams", "description": "Which streams there are, what their memories hold, and changing them."},
    {"name": "questions", "description": "Asking one stream or several; one JSON answer, or server-sent events."},
    {"name": "standing questions", "description": "Asked again and again; their answers are events."},
    {"name": "events", "description": "What standing questions and journals found out: searched, or followed."},
    {"name": "openai", "description": "The same for programs that speak OpenAI's API: each stream is a model."},
    {"name": "workers", "description": "What the workers do, and emptying one before its machine goes."},
    {"name": "health", "description": "For load balancers, Kubernetes and Prometheus."},
    {"name": "problems", "description": "What the errors mean."},
]
"""Groups of operations."""

_OF_BODIES = ("body-timeout", "body-too-large")
"""Problems of any request that may bring a body, wanted or not."""
_REFERENCE = "#/components/schemas/{model}"


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the problems with these codes, by status."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (KINDS[code] for code in (*codes, *EVERY_ROUTE)):
        response = responses.setdefault(
            kind.status,
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}, "examples": {}}},
            },
        )
        response["description"] += f"{', ' if response['description'] else ''}{kind.title} (`{kind.code}`)"
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {
            "value": {
                "type": kind.type,
                "title": kind.title,
                "status": kind.status,
                "detail": kind.advice,
                "instance": "/v1/streams",
                "code": kind.code,
                "request_id": "0f0e0d",
            }
        }
        if kind.status in (429, 503):
            response["headers"] = {
                "Retry-After": {"description": "Seconds to wait before another try.", "schema": {"type": "integer"}}
            }
    return responses


def event_stream(description: str, example: str, *events: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI response of a route that answers with server-sent events when asked to.

    Args:
        description: of the response, in both forms.
        example: events as they look on the wire.
        events: what may come, each made by :func:`event`.
    """
    # Each event by itself, as OpenAPI 3.2 has it (Media Type Object, itemSchema); FastAPI writes its own so too.
    content = {"text/event-stream": {"itemSchema": {"anyOf": list(events)}, "example": example}}
    return {200: {"description": description, "content": content}}


def event(data: str | dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """The schema of one server-sent event with JSON data.

    Args:
        data: name of the data's model, or its schema.
        name: the event's; without one any.
    """
    schema = data if isinstance(data, dict) else {"$ref": _REFERENCE.format(model=data)}
    content = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    named = {} if name is None else {"event": {"const": name}}
    return {"type": "object", "required": [*named, "data"], "properties": {**named, "data": content}}


def install(app: FastAPI) -> None:
    """Make the document of ``app`` complete, and free of FastAPI's own form of validation error."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        _drop_validation_errors(document)
        _write_whole_numbers_so(document)
        _add_problems_of_bodies(document)
        requirements.describe(document, keyed=app.state.settings.api.access.keys_file is not None)
        schemas = document["components"]["schemas"]
        described = (
            *(Problem, TokenEvent, AnswerResponse, StreamResult, StreamsQueryDone),
            *(EventResponse, StreamsEvent, ChangesEvent),
        )
        for model in described:
            schema = model.model_json_schema(ref_template=_REFERENCE, mode="serialization")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        return document

    app.openapi = openapi


def _drop_validation_errors(document: dict[str, Any]) -> None:
    # FastAPI documents a 422 of its own wherever a route has parameters and no 422 of ours.
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _add_problems_of_bodies(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for method, operation in operations.items():
            for status, response in problems(*_OF_BODIES).items() if method != "get" else ():
                operation["responses"].setdefault(str(status), response)


_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _write_whole_numbers_so(node: Any) -> None:
    # FastAPI makes every bound a float: 4096.0, and 9.223372036854776e+18, which readers round elsewhere.
    if isinstance(node, dict):
        for bound in _BOUNDS:
            if isinstance(value := node.get(bound), float) and value.is_integer():
                node[bound] = int(value)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _write_whole_numbers_so(child)
