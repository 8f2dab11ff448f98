"""Ends the matches of standing questions that were muted or removed, also of streams that send nothing just now.

With the next frame of its stream a match ends anyway (:mod:`watched_frames`); a camera may be off for the night.
"""

import asyncio
from collections.abc import Callable

from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.process.fencing import Fence
from hermes_ray.cluster.memory_worker.streams.hosted_streams import HostedStreams
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.errors import ClusterError
from hermes_ray.observability.logs import get_logger
from hermes_ray.standing.withdrawal import withdrawn
from hermes_ray.transport.event import Event

log = get_logger(__name__)

_LOOK_S = 1.0


class Withdrawals:
    """For the event loop of frames.

    Args:
        rules: what is put to which stream.
        fence: says which streams are owned here, under which epoch.
        hosted: the streams that are here.
        keeper: of their cursors.
        meters: told of the events.
        on_events: called when there are any.
        patience_s: how long a look waits for a stream that somebody holds, seconds.
    """

    def __init__(
        self,
        rules: StandingRules,
        fence: Fence,
        hosted: HostedStreams,
        keeper: StreamKeeper,
        meters: StandingMeters,
        on_events: Callable[[], None],
        patience_s: float = _LOOK_S,
    ) -> None:
        self._rules = rules
        self._fence = fence
        self._hosted = hosted
        self._keeper = keeper
        self._meters = meters
        self._on_events = on_events
        self._patience_s = patience_s
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """End what is to be ended now; a stream that is not at hand has its turn the next time.

        Whoever holds one stream's memory for long delays no other's, in this look and in later ones.
        """
        for stream_id, epoch in self._fence.streams.items():
            if stream_id not in self._under_way and self._hosted.is_ready(stream_id) and self._over(stream_id):
                self._under_way[stream_id] = asyncio.create_task(self._end(stream_id, epoch))
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=self._patience_s)
        for stream_id in [stream_id for stream_id, ending in self._under_way.items() if ending.done()]:
            self._under_way.pop(stream_id).result()

    async def _end(self, stream_id: str, epoch: int) -> None:
        try:
            async with self._hosted.turn(stream_id, epoch):
                self._withdraw(stream_id)
        except ClusterError as error:
            log.debug("matches are ended later", stream_id=stream_id, error=str(error))

    def _over(self, stream_id: str) -> list[Event]:
        triggers = self._keeper.cursor(stream_id).watch.triggers
        if not any(trigger.told for trigger in triggers.values()):
            return []  # of nearly all streams
        return withdrawn(stream_id, triggers, self._names(stream_id))

    def _withdraw(self, stream_id: str) -> None:
        over = self._over(stream_id)  # a frame may have come meanwhile
        if not over:
            return
        names, triggers = self._names(stream_id), self._keeper.cursor(stream_id).watch.triggers
        self._keeper.withdraw(stream_id, {name: t for name, t in triggers.items() if name in names}, over)
        self._meters.withdrawn(over)
        self._on_events()

    def _names(self, stream_id: str) -> set[str]:
        return {rule.name for rule in self._rules.of(stream_id)}
