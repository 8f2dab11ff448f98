"""People who ask over HTTP, again and again."""

import asyncio
import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from hermes_ray.bench.serving.http_connection import HttpConnection, Response
from hermes_ray.bench.serving.level import Outcomes
from hermes_ray.bench.serving.plan import QUESTION, Plan

_PROBLEM = "application/problem+json"
_RECONNECT_S = 0.2


class HttpAskers:
    """Ask for JSON or for events. For one event loop.

    Args:
        url: of the API.
        plan: whom to ask, and for how long an answer.
        streamed: ask for events.

    Attributes:
        outcomes: what they note down; may be replaced while they ask.
    """

    def __init__(self, url: str, plan: Plan, *, streamed: bool) -> None:
        self._url = url
        self._plan = plan
        self._streamed = streamed
        self.outcomes = Outcomes()

    async def ask_for_ever(self, number: int) -> None:
        """Be one of them until cancelled. Whoever is refused comes back when told to."""
        streams = self._plan.asked_by(number)
        query = {"question": QUESTION, "max_tokens": self._plan.max_tokens, "stream": self._streamed}
        async with HttpConnection(self._url) as connection:
            while True:
                try:
                    wait_s = await self._ask(connection, f"/v1/streams/{next(streams)}/query", query)
                except (OSError, asyncio.IncompleteReadError) as error:
                    self.outcomes.dropped[type(error).__name__] += 1
                    connection.close()
                    wait_s = _RECONNECT_S
                if wait_s:
                    await asyncio.sleep(wait_s)

    async def _ask(self, connection: HttpConnection, path: str, query: Mapping[str, Any]) -> float:
        """Ask once; return how long to wait before the next question, seconds."""
        sent_s = perf_counter()
        response = await connection.post(path, query)
        pieces, first_s = [], 0.0
        async for piece in connection.body(response):
            first_s = first_s or perf_counter() - sent_s
            pieces.append(piece)
        if response.status != 200:
            return self._note_problem(response, b"".join(pieces))
        if not self._streamed:
            self.outcomes.first_token_s.append(first_s)
            return 0.0
        name, data = _last_event(b"".join(pieces))
        if name != "answer":
            self.outcomes.failed[data["code"]] += 1
            return 0.0
        self.outcomes.first_token_s.append(first_s)
        self.outcomes.behind_engine_s.append(first_s - data["ttft_ms"] / 1000)
        return 0.0

    def _note_problem(self, response: Response, body: bytes) -> float:
        if response.headers.get("content-type") != _PROBLEM:
            self.outcomes.dropped[str(response.status)] += 1
            return _RECONNECT_S
        code = json.loads(body)["code"]
        if "retry-after" not in response.headers:
            self.outcomes.failed[code] += 1
            return _RECONNECT_S
        self.outcomes.refused[code] += 1
        return float(response.headers["retry-after"])


def _last_event(body: bytes) -> tuple[str, Any]:
    """Name and data of the last event; heartbeats are none."""
    events = [event for event in body.decode().strip().split("\n\n") if event.startswith("event: ")]
    name, _, data = events[-1].removeprefix("event: ").partition("\ndata: ")
    return name, json.loads(data)
