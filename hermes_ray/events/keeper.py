"""Everything that keeps events, in one process: the topic's reader, the database, and the deliveries."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from threading import Thread

from hermes_ray.config import Settings
from hermes_ray.errors import ConfigError
from hermes_ray.events.database import EventDatabase, database_url
from hermes_ray.events.delivery.runner import TargetRunner
from hermes_ray.events.delivery.targets import runners
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.sink import EventSinkLoop
from hermes_ray.events.writing import EventWriter
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import EventStats
from hermes_ray.transport.topic_ends import TopicEnds

log = get_logger(__name__)

_STOP_LIMIT_S = 5.0


class EventKeeper:
    """Keeps events from now on. For one event loop, in which it is made.

    Args:
        settings: the whole tree; ``events.database`` is not null.
        may_act: whether to store and to deliver now; called in any thread. What is kept can be read in any case.

    Raises:
        ConfigError: a driver or a library is missing.
    """

    def __init__(self, settings: Settings, may_act: Callable[[], bool] = lambda: True) -> None:
        url = database_url(settings.events, settings.cluster.namespace)
        if url is None:
            raise ConfigError("events.database is null")
        self._database = EventDatabase(url, settings.events)
        self._writer = EventWriter(self._database, settings.events.max_thumbnail_bytes)
        self.events = LocalEvents(self._database)
        """What is kept."""
        self._runners = runners(settings.events, self._database, self.events, may_act)
        self._deliveries = [asyncio.create_task(_deliver(runner)) for runner in self._runners]
        self._loop = EventSinkLoop(settings.kafka, settings.events, self._database, self.events.announce, may_act)
        self._thread = Thread(target=self._read, name="event-sink", daemon=True)
        self._thread.start()
        log.info("events are kept", database=self._database.name, targets=[runner.name for runner in self._runners])

    @property
    def trouble(self) -> tuple[str, ...]:
        """What is not as it should be, for people."""
        told = [f"{runner.name}: {runner.trouble}" for runner in self._runners if runner.trouble is not None]
        return (*([] if self._loop.trouble is None else [self._loop.trouble]), *told)

    @property
    def stats(self) -> EventStats:
        """For metrics."""
        return EventStats(
            up=self._loop.trouble is None,
            stored=self._loop.stored,
            left_out=dict(self._loop.left_out),
            failures=self._loop.failures,
            lag_records=self._loop.lag_records,
            kept_bytes=self._loop.kept_bytes,
            delivered={runner.name: runner.delivered for runner in self._runners},
            given_up={runner.name: runner.given_up for runner in self._runners},
            behind_s={runner.name: runner.behind_s for runner in self._runners},
        )

    async def erase(self, stream_id: str, log_id: str, ends: Mapping[int, int], epoch: int) -> int:
        """Delete a stream's events for good; see :meth:`EventWriter.erase`. Returns how many there were.

        Once it is done no target is told of them any more.
        """
        topic = TopicEnds(log_id, ends)
        deleted = await asyncio.to_thread(self._writer.erase, stream_id, topic, time.time_ns() // 1_000_000, epoch)
        self.events.announce()
        await asyncio.gather(*(runner.finish_telling(stream_id) for runner in self._runners))
        return deleted

    async def end_matches(self, stream_id: str, epoch: int) -> int:
        """Tell that a stream's matches are over; see :meth:`EventWriter.end_matches`. Returns how many."""
        over = await asyncio.to_thread(self._writer.end_matches, stream_id, time.time_ns() // 1_000_000, epoch)
        self.events.announce()
        return over

    async def close(self) -> None:
        """Stop reading and delivering, and disconnect."""
        self._loop.stop()
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await asyncio.to_thread(self._thread.join, _STOP_LIMIT_S)
        self.events.close()
        self._database.close()

    def _read(self) -> None:
        try:
            self._loop.run()
        except Exception:
            log.exception("the event sink failed; the process ends and Ray starts another")
            os._exit(1)


async def _deliver(runner: TargetRunner) -> None:
    try:
        await runner.run()
    except Exception:
        log.exception("a delivery failed; the process ends and Ray starts another", target=runner.name)
        os._exit(1)
