"""A caller's lines to all memory workers; one whose worker's process ends is given up at once."""

import asyncio
from collections.abc import Callable
from contextvars import Context

from hermes_ray.cluster.wire.calls import RESTART_S, Actor, typed_errors
from hermes_ray.cluster.wire.client.answer_channel import AnswerChannel
from hermes_ray.cluster.wire.lifelines import Lifelines
from hermes_ray.errors import HermesError, WorkerLost
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ANSWER_LIMIT_S = 5.0


class AnswerChannels:
    """For one event loop.

    Args:
        handle: gives a worker's; raises ``WorkerUnavailable`` if there is none.
        ended: told the name of a worker whose process has ended.
    """

    def __init__(self, handle: Callable[[str], Actor], ended: Callable[[str], None]) -> None:
        self._handle = handle
        self._told = ended
        self._channels: dict[str, AnswerChannel] = {}
        self._lifelines = Lifelines(self._end)
        self._finding: set[asyncio.Task[None]] = set()

    def to(self, worker: str) -> AnswerChannel:
        """The channel to a worker."""
        if worker not in self._channels:
            actor = self._handle(worker)
            self._channels[worker] = AnswerChannel(worker, actor)
            # In no asker's context, who may hang up: Ray would end the call, and the channel be without a lifeline.
            finding = asyncio.create_task(self._find_lifeline(worker, actor), context=Context())
            self._finding.add(finding)
            finding.add_done_callback(self._finding.discard)
        return self._channels[worker]

    def forget(self, worker: str) -> None:
        """Use another channel from now on; answers under way go on."""
        self._channels.pop(worker, None)

    async def _find_lifeline(self, worker: str, actor: Actor) -> None:
        try:
            with typed_errors(worker):
                process, address = await asyncio.wait_for(actor.lifeline.remote(), _ANSWER_LIMIT_S)
        except HermesError as error:
            log.debug("no lifeline", worker=worker, error=str(error))
            return
        if address is not None:
            self._lifelines.follow(worker, process, address)

    def _end(self, worker: str, process: str) -> None:
        log.info("a worker's process has ended", worker=worker, process=process)
        self._told(worker)
        if (channel := self._channels.pop(worker, None)) is not None:
            channel.fail(WorkerLost(f"{worker} has ended", retry_after_s=RESTART_S))
