"""Publishes the events that streams of one worker have found, each until the broker has confirmed it.

An event waits in its stream's cursor (a transactional outbox): it is stored with the memory that it rests on, before
the frames that caused it count as safe. Whoever restores that snapshot publishes it again, under the same id. So events
may wait, and do, while another cluster may have taken over: it publishes what is found from then on, unless people have
erased the stream there.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.stream_keeper import StreamKeeper
from hermes_ray.config import KafkaSettings
from hermes_ray.errors import HermesError, MediaTooLarge, PublishFailed, TransportError
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.event import Event
from hermes_ray.transport.publisher import Delivery, RecordPublisher

log = get_logger(__name__)

_LOOK_S = 0.5
"""Events of streams that have just been restored are found so soon."""
_RETRY_S = 1.0

_Sent = list[tuple[Event, "Future[Delivery] | None"]]


class EventOutbox:
    """For one event loop.

    Args:
        settings: where to publish.
        keeper: has the cursors.
        meters: told of what was published.
        may_publish: whether the streams are this cluster's for certain, now.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        keeper: StreamKeeper,
        meters: StandingMeters,
        may_publish: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._meters = meters
        self._may_publish = may_publish
        self._publisher: RecordPublisher | None = None
        self._news = asyncio.Event()
        self._is_over = False

    def stop(self) -> None:
        """Publish nothing from now on but what is on its way: another cluster has the events, and may erase them."""
        self._is_over = True
        self._news.set()

    def wake(self) -> None:
        """There are new events."""
        self._news.set()

    async def run(self) -> None:
        """Publish until stopped."""
        try:
            while not self._is_over:
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._news.wait()
                except TimeoutError:
                    log.debug("looking for events of restored streams")
                self._news.clear()
                if not self._is_over and self._may_publish() and (pending := self._keeper.pending()):
                    await self._publish(pending)
            await asyncio.to_thread(self._disconnect)
        except Exception:
            log.exception("publishing events failed; the process ends and Ray starts another")
            os._exit(1)

    async def _publish(self, pending: dict[str, tuple[Event, ...]]) -> None:
        try:
            sent = await asyncio.to_thread(self._send, pending)
            confirming = [self._confirm(stream_id, deliveries) for stream_id, deliveries in sent.items()]
            # All of them, so that one stream's trouble has no event of another published again and again.
            for outcome in await asyncio.gather(*confirming, return_exceptions=True):
                if outcome is not None:
                    raise outcome
        except TransportError as error:
            self._meters.unpublished()
            log.warning("events are not published yet; they wait, and are stored with their streams", error=str(error))
            await asyncio.to_thread(self._disconnect)
            await asyncio.sleep(_RETRY_S)

    async def _confirm(self, stream_id: str, deliveries: _Sent) -> None:
        """Wait for one stream's events in their order: none counts as published before those in front of it."""
        for event, delivery in deliveries:
            if delivery is not None and (await asyncio.wrap_future(delivery)).offset < 0:
                # Not every broker that says that it had a record before has it; the id makes a second one harmless.
                raise PublishFailed("the broker says that it had an event already, and not where", retriable=True)
            self._keeper.published(stream_id, [event.id])
            self._meters.published(1)

    def _send(self, pending: dict[str, tuple[Event, ...]]) -> dict[str, _Sent]:
        if self._publisher is None:
            self._publisher = RecordPublisher(self._settings)
        publisher = self._publisher
        return {
            stream_id: [(event, _sent(publisher, self._settings.events_topic, event)) for event in events]
            for stream_id, events in pending.items()
        }

    def _disconnect(self) -> None:
        """A producer that has given records up is of no more use: the order of what follows is not certain."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            try:
                publisher.close(timeout_s=0.0)
            except HermesError as error:
                log.debug("what the former connection had is sent again", error=str(error))


def _sent(publisher: RecordPublisher, topic: str, event: Event) -> "Future[Delivery] | None":
    """A delivery; ``None`` for an event that no broker with these settings ever takes.

    The record's time is that of publishing: by that of a recording the topic's retention would delete it at once.
    """
    bare = replace(event, evidence=tuple(replace(moment, thumbnail=None) for moment in event.evidence))
    for version in (event, bare):
        key, value, headers = version.to_record()
        try:
            return publisher.send(topic, key=key, value=value, headers=headers)
        except MediaTooLarge as error:
            log.error("an event is too large", stream_id=event.stream_id, rule=event.rule, error=str(error))
    return None
