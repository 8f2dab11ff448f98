"""ASGI middleware that answers for what no handler knows: a defect of ours."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes_ray.api.problems.kinds import INTERNAL
from hermes_ray.api.problems.problem_json import problem_response


class Defects:
    """Answers an unexpected exception with the problem ``internal``, and raises it again for the log.

    Starlette would answer too, but outside of all middleware: without request id, and so that no page of another
    origin could read it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception:
            if scope["type"] == "http" and not begun:
                await problem_response(Request(scope), INTERNAL, INTERNAL.advice)(scope, receive, send)
            raise
