"""The FastAPI application over any backend; needs no Ray."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.routing import Route

import hermes_ray
from hermes_ray.api import documentation
from hermes_ray.api.backend import Backend, kept_events
from hermes_ray.api.keys import installation
from hermes_ray.api.keys.connections import ConnectionPlaces
from hermes_ray.api.middleware.body_limit import BodyLimit
from hermes_ray.api.middleware.request_id import RequestId
from hermes_ray.api.problems import problem_json
from hermes_ray.api.problems.defects import Defects
from hermes_ray.api.problems.question_problems import QuestionProblems
from hermes_ray.api.routes import (
    console,
    docs,
    events,
    health,
    index,
    memory_files,
    metrics,
    openai,
    openai_responses,
    pictures,
    problem_kinds,
    questions,
    several_streams,
    standing_questions,
    streams,
    updates,
    workers,
)
from hermes_ray.api.updates.hub import UpdatesHub
from hermes_ray.config import Settings
from hermes_ray.mcp.endpoint import PATH as MCP_PATH
from hermes_ray.mcp.endpoint import McpEndpoint

_MOST_FOLLOWERS = 256
"""Connections of one router process that follow events."""
_MOST_WATCHERS = 1000
"""Connections of one router process that watch streams; all of them read the same."""

BackendFactory = Callable[[], AbstractAsyncContextManager[Backend]]


def create_app(open_backend: BackendFactory, settings: Settings, *, behind_serve: bool = False) -> FastAPI:
    """The HTTP API over a backend.

    Args:
        open_backend: opens the backend when the application starts; it is closed when the application stops.
        settings: the ``api`` section is used.
        behind_serve: Serve's proxy sets the X-Request-ID response header, so the application does not.

    Raises:
        ConfigError: the file of API keys cannot be read.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_backend() as backend, app.state.question_problems.reported(backend):
            app.state.backend = backend
            app.state.updates = UpdatesHub(backend.list_streams, kept_events(settings, backend))
            try:
                yield
            finally:
                app.state.updates.close()

    app = FastAPI(
        title="hermes-ray",
        version=hermes_ray.__version__,
        summary="Live video that anyone can question.",
        description=documentation.DESCRIPTION,
        openapi_tags=documentation.TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load scripts from other hosts
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.question_problems = QuestionProblems()
    app.state.imports = 0
    limits = settings.api.limits
    app.state.followers = ConnectionPlaces("follow events", _MOST_FOLLOWERS, limits.followers, "api.limits.followers")
    app.state.watchers = ConnectionPlaces("watch streams", _MOST_WATCHERS, limits.watchers, "api.limits.watchers")
    for module in (
        index,
        console,
        docs,
        health,
        metrics,
        streams,
        updates,
        pictures,
        memory_files,
        questions,
        several_streams,
        standing_questions,
        events,
        openai,
        openai_responses,
        workers,
        problem_kinds,
    ):
        app.include_router(module.router)
    app.router.routes.append(Route(MCP_PATH, McpEndpoint(), methods=["POST"]))
    problem_json.install(app)
    documentation.install(app)
    # The one added last runs first: a refused body has its request id too.
    app.add_middleware(Defects)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.api.max_body_bytes,
        timeout_s=settings.api.body_timeout_s,
        except_for=memory_files.IMPORT_PATH,
    )
    installation.install(app, settings.api)
    app.add_middleware(RequestId, respond=not behind_serve)
    return app
