"""The tools: what each does over the Python client, and how its failures read."""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent, Tool, ToolAnnotations
from pydantic import ValidationError

from hermes_ray.api.schemas.base import Schema
from hermes_ray.api.schemas.pictures import MEDIA_TYPE
from hermes_ray.client import AskParameters, AsyncHermesClient, EventWishes
from hermes_ray.errors import ApiUnreachable, ClusterError, HermesError, Overloaded, UnknownStream
from hermes_ray.mcp.schemas import (
    AskCamera,
    CameraAnswer,
    Cameras,
    FindEvents,
    FoundEvents,
    ListCameras,
    Look,
    LookThroughCamera,
)
from hermes_ray.rfc3339 import rfc3339

_ANSWER_LIMIT_S = 60.0
"""How long a tool waits for an answer, seconds: agents give up after a minute or two, and then know nothing."""

Given = TypeVar("Given", bound=Schema)


@dataclass(frozen=True, slots=True)
class CameraTool(Generic[Given]):
    """One tool.

    Attributes:
        name: as agents call it.
        title: as people see it.
        takes: its arguments; the class describes the tool.
        gives: its result.
        run: does it; what a tool shows beside its result follows that.
    """

    name: str
    title: str
    takes: type[Given]
    gives: type[Schema]
    run: Callable[[AsyncHermesClient, Given], Awaitable[tuple[Schema, *tuple[ContentBlock, ...]]]]

    @property
    def definition(self) -> Tool:
        """How the protocol describes it."""
        schema = self.takes.model_json_schema()
        return Tool(
            name=self.name,
            title=self.title,
            description=schema.pop("description"),
            input_schema=schema,
            output_schema=self.gives.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )

    async def call(self, client: AsyncHermesClient, arguments: Mapping[str, Any]) -> CallToolResult:
        """Run it. Whatever goes wrong is a result that says what to do, for the agent to read."""
        try:
            result, *shown = await self.run(client, self.takes.model_validate(arguments))
        except ValidationError as error:
            return _failed("; ".join(f"{_field(item['loc'])}: {item['msg']}" for item in error.errors()))
        except HermesError as error:
            return _failed(_advice(error))
        content = result.model_dump()
        text = json.dumps(content, ensure_ascii=False)
        return CallToolResult(content=[*shown, TextContent(type="text", text=text)], structured_content=content)


async def _list_cameras(client: AsyncHermesClient, asked: ListCameras) -> tuple[Cameras]:
    return (Cameras.of([stream for stream in await client.streams() if asked.matches(stream)]),)


async def _ask_camera(client: AsyncHermesClient, asked: AskCamera) -> tuple[CameraAnswer]:
    parameters = AskParameters(max_tokens=asked.max_tokens, timeout_s=_ANSWER_LIMIT_S)
    if asked.options is not None:
        parameters["options"] = asked.options
    if asked.as_of is not None:
        parameters["as_of"] = asked.as_of
    return (CameraAnswer.of(await client.ask(asked.camera, asked.question, **parameters)),)


async def _look_through_camera(client: AsyncHermesClient, asked: LookThroughCamera) -> tuple[Look, ImageContent]:
    camera = asked.camera
    picture = await (client.latest(camera) if asked.frame is None else client.frame(camera, asked.frame))
    look = Look(camera=camera, frame=picture.frame, captured=rfc3339(picture.captured_ms))
    return look, ImageContent(type="image", data=b64encode(picture.jpeg).decode(), mime_type=MEDIA_TYPE)


async def _find_events(client: AsyncHermesClient, asked: FindEvents) -> tuple[FoundEvents]:
    wanted = EventWishes(stream=[asked.camera])
    if asked.words is not None:
        wanted["q"] = asked.words
    if asked.since is not None:
        wanted["since"] = asked.since
    if asked.until is not None:
        wanted["until"] = asked.until
    return (FoundEvents.of(await client.events(limit=asked.limit, **wanted)),)


TOOLS: Mapping[str, CameraTool[Any]] = {
    tool.name: tool
    for tool in (
        CameraTool("list_cameras", "List cameras", ListCameras, Cameras, _list_cameras),
        CameraTool("look_through_camera", "Look through a camera", LookThroughCamera, Look, _look_through_camera),
        CameraTool("ask_camera", "Ask a camera", AskCamera, CameraAnswer, _ask_camera),
        CameraTool("find_events", "Find events", FindEvents, FoundEvents, _find_events),
    )
}
"""Every tool, by name."""


def _failed(reason: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=reason)], is_error=True)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "arguments"


def _advice(error: HermesError) -> str:
    if isinstance(error, UnknownStream):
        return f"{error}. Call list_cameras for the cameras that exist"
    if isinstance(error, Overloaded | ClusterError):
        return f"{error}. Try again in {error.retry_after_s:g} s"
    if isinstance(error, ApiUnreachable):
        return f"{error}. The camera system is down or at another address; the user has to look after it"
    return str(error)
