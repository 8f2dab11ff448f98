"""Who owns which stream, as last known here, and calls to owners and other actors."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from hermes_ray.cluster.wire.calls import Actor, find_actor, typed_errors
from hermes_ray.cluster.wire.contracts import Location
from hermes_ray.cluster.wire.protocol import COORDINATOR
from hermes_ray.errors import (
    HermesError,
    StaleEpoch,
    WorkerUnavailable,
)
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ANSWER_LIMIT_S = 5.0
"""For everything but answers; these calls wait for no model."""


class StreamOwners:
    """The Coordinator is asked once per stream, and again when an owner has changed.

    For one event loop. Only typed errors come out.

    Args:
        namespace: Ray namespace of the actors.
        forgotten: told the name of a worker that is to be looked for anew.
    """

    def __init__(self, namespace: str, forgotten: Callable[[str], None]) -> None:
        self.locations: dict[str, Location] = {}
        """By stream. Whoever is told of others notes them here."""
        self._namespace = namespace
        self._forgotten = forgotten
        self._handles: dict[str, Actor] = {}

    async def locate(self, stream_id: str) -> Location:
        """A stream's owner; after the first time without a call. Raises ``UnknownStream``."""
        if stream_id not in self.locations:
            self.locations[stream_id] = await self.call(COORDINATOR, "locate", stream_id)
        return self.locations[stream_id]

    async def look(
        self, stream_id: str, method: str, *args: object, limit_s: float = _ANSWER_LIMIT_S
    ) -> tuple[Location, Any]:
        """A stream's owner, and what it says of the stream; a former owner sends us on."""
        try:
            return await self._ask_owner(stream_id, method, args, limit_s)
        except StaleEpoch:
            return await self._ask_owner(stream_id, method, args, limit_s)

    async def _ask_owner(
        self, stream_id: str, method: str, args: tuple[object, ...], limit_s: float
    ) -> tuple[Location, Any]:
        location = await self.locate(stream_id)
        try:
            said = await self.call(location.worker, method, stream_id, location.epoch, *args, limit_s=limit_s)
            return location, said
        except (StaleEpoch, WorkerUnavailable):
            self.forget(stream_id, location.worker)
            raise

    async def ask_all(self, workers: Iterable[str], method: str) -> dict[str, Any]:
        """The answers of those that answer."""
        names = list(workers)
        answers = await asyncio.gather(*(self.call(name, method) for name in names), return_exceptions=True)
        result: dict[str, Any] = {}
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, HermesError):
                log.warning("left out", worker=name, error=str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                result[name] = answer
        return result

    async def call(self, actor: str, method: str, *args: object, limit_s: float = _ANSWER_LIMIT_S) -> Any:
        """Call an actor; raises as :func:`~hermes_ray.cluster.wire.calls.typed_errors`."""
        try:
            with typed_errors(actor):
                call = getattr(self.handle(actor), method).remote(*args)
                return await asyncio.wait_for(call, limit_s)
        except WorkerUnavailable:
            self._handles.pop(actor, None)
            raise

    def handle(self, actor: str) -> Actor:
        """An actor's handle; raises ``WorkerUnavailable`` if there is none of that name."""
        if actor not in self._handles:
            self._handles[actor] = find_actor(actor, self._namespace)
        return self._handles[actor]

    def ended(self, worker: str) -> None:
        """A worker's process has ended."""
        self.locations = {stream: at for stream, at in self.locations.items() if at.worker != worker}
        self._handles.pop(worker, None)

    def forget(self, stream_id: str, worker: str) -> None:
        """A stream is not where it was; its former owner is looked for anew."""
        self.locations.pop(stream_id, None)
        self._handles.pop(worker, None)
        self._forgotten(worker)
