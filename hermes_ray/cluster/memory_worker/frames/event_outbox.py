"""Publishes the events that streams of one worker have found, each until the broker has confirmed it.

An event waits in its stream's cursor (a transactional outbox): it is stored with the memory that it rests on, before
the frames that caused it count as safe. Whoever restores that snapshot publishes it again, under the same id. So events
may wait, and do, while another cluster may have taken over: it publishes what is found from then on, unless people have
erased the stream there.

Each is published under the epoch of its stream. So what was on its way when the stream was erased is known by that,
however late it reaches the topic.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Union

from hermes_ray.cluster.memory_worker.frames.event_refusals import EventRefusals, write_letter
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.memory_worker.streams.stream_keeper import StreamKeeper
from hermes_ray.config import KafkaSettings
from hermes_ray.errors import HermesError, MediaTooLarge, PublishFailed, RecordRefused, TransportError
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.event import Event

if TYPE_CHECKING:
    from hermes_ray.transport.publisher import Delivery, RecordPublisher

log = get_logger(__name__)

_LOOK_S = 0.5
"""Events of streams that have just been restored are found so soon."""
_RETRY_S = 1.0

_REFUSALS = (RecordRefused, MediaTooLarge)
_Delivery = Union["Future[Delivery]", HermesError]
_Sent = list[tuple[Event, _Delivery]]


class _Waiting(NamedTuple):
    """One stream's events that are to be published, and under which epoch; 0: nobody knows."""

    epoch: int
    events: tuple[Event, ...]


class EventOutbox:
    """For one event loop.

    Args:
        settings: where to publish.
        keeper: has the cursors.
        meters: told of what was published.
        may_publish: whether the streams are this cluster's for certain, now.
        refusals: counts events that the broker refuses.
        epochs: of the streams that are owned here; events of others are not published. By default nobody knows them.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        keeper: StreamKeeper,
        meters: StandingMeters,
        may_publish: Callable[[], bool] = lambda: True,
        refusals: EventRefusals | None = None,
        epochs: Callable[[], Mapping[str, int]] | None = None,
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._meters = meters
        self._may_publish = may_publish
        self._refusals = refusals or EventRefusals()
        self._epochs = epochs
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
        """Publish until stopped or cancelled; then the connection is closed."""
        try:
            while not self._is_over:
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await self._news.wait()
                except TimeoutError:
                    log.debug("looking for events of restored streams")
                self._news.clear()
                if not self._is_over and self._may_publish() and (pending := self._pending()):
                    await self._publish(pending)
        finally:
            await asyncio.to_thread(self._disconnect)

    def _pending(self) -> dict[str, _Waiting]:
        found = self._keeper.pending()
        if not found or self._epochs is None:
            return {stream_id: _Waiting(0, events) for stream_id, events in found.items()}
        epochs = self._epochs()  # of this moment, as the events are
        return {s: _Waiting(epochs[s], events) for s, events in found.items() if s in epochs}

    async def _publish(self, pending: dict[str, _Waiting]) -> None:
        self._refusals.keep([event for waiting in pending.values() for event in waiting.events])
        suspect = {s: waiting for s, waiting in pending.items() if self._refusals.concern(waiting.events)}
        try:
            await self._publish_together({s: waiting for s, waiting in pending.items() if s not in suspect})
            for stream_id, waiting in suspect.items():
                await self._publish_one_by_one(stream_id, waiting)
        except TransportError as error:
            self._meters.unpublished()
            log.warning("events are not published yet; they wait, and are stored with their streams", error=str(error))
            await asyncio.to_thread(self._disconnect)
            await asyncio.sleep(_RETRY_S)

    async def _publish_together(self, pending: dict[str, _Waiting]) -> None:
        sent = await asyncio.to_thread(self._send, pending)
        confirming = [self._confirm(stream_id, deliveries) for stream_id, deliveries in sent.items()]
        # All of them, so that one stream's trouble has no event of another published again and again.
        outcomes = await asyncio.gather(*confirming, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        if not all(outcomes):
            await asyncio.to_thread(self._disconnect)

    async def _confirm(self, stream_id: str, deliveries: _Sent) -> bool:
        """Wait for one stream's events in their order: none counts as published before those in front of it.

        Returns:
            Whether none was refused.
        """
        for event, delivery in deliveries:
            try:
                await self._confirm_one(stream_id, event, delivery)
            except _REFUSALS as error:
                log.warning("an event was refused", stream_id=stream_id, rule=event.rule, error=str(error))
                self._refusals.suspect(event)
                return False
        return True

    async def _confirm_one(self, stream_id: str, event: Event, delivery: _Delivery) -> None:
        if isinstance(delivery, HermesError):
            raise delivery
        if (await asyncio.wrap_future(delivery)).offset < 0:
            # Not every broker that says that it had a record before has it; the id makes a second one harmless.
            raise PublishFailed("the broker says that it had an event already, and not where", retriable=True)
        self._keeper.published(stream_id, [event.id])
        self._meters.published(1)

    async def _publish_one_by_one(self, stream_id: str, waiting: _Waiting) -> None:
        """Of several records in one request the broker refuses all; alone, each gets what it deserves."""
        for event in waiting.events:
            if self._is_over or not self._may_publish() or not self._refusals.is_due(event):
                return
            version = without_pictures(event) if self._refusals.is_too_large(event) else event
            try:
                alone = {stream_id: _Waiting(waiting.epoch, (version,))}
                ((_, delivery),) = (await asyncio.to_thread(self._send, alone))[stream_id]
                await self._confirm_one(stream_id, event, delivery)
            except _REFUSALS as error:
                await asyncio.to_thread(self._disconnect)
                too_large = isinstance(error, MediaTooLarge) or error.too_large
                if not self._refusals.refused(event, too_large=too_large):
                    return
                await self._give_up(stream_id, version, waiting.epoch, error)

    async def _give_up(self, stream_id: str, event: Event, epoch: int, error: HermesError) -> None:
        """The stream goes on behind an event that the broker never takes, once it is a dead letter."""
        await asyncio.to_thread(write_letter, self._settings, event, error, epoch)
        log.error(
            "the broker refuses an event for good; it is a dead letter, and its stream goes on",
            stream_id=stream_id,
            rule=event.rule,
            event_id=event.id,
            error=str(error),
        )
        self._keeper.published(stream_id, [event.id])
        self._meters.refused()

    def _send(self, pending: dict[str, _Waiting]) -> dict[str, _Sent]:
        if self._publisher is None:
            from hermes_ray.transport.publisher import RecordPublisher  # many a worker finds no event

            self._publisher = RecordPublisher(self._settings)
        publisher, topic = self._publisher, self._settings.events_topic
        return {stream_id: _all_sent(publisher, topic, waiting) for stream_id, waiting in pending.items()}

    def _disconnect(self) -> None:
        """A producer that has given records up is of no more use: the order of what follows is not certain."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            try:
                publisher.close(timeout_s=0.0)
            except HermesError as error:
                log.debug("what the former connection had is sent again", error=str(error))


def _all_sent(publisher: "RecordPublisher", topic: str, waiting: _Waiting) -> _Sent:
    """One stream's events on their way, up to the first that is refused."""
    sent: _Sent = []
    for event in waiting.events:
        sent.append((event, delivery := _sent(publisher, topic, event, waiting.epoch)))
        if isinstance(delivery, HermesError):
            break
    return sent


def _sent(publisher: "RecordPublisher", topic: str, event: Event, epoch: int) -> _Delivery:
    """A delivery, or why it cannot be sent.

    The record's time is that of publishing: by that of a recording the topic's retention would delete it at once.
    """
    refusal: HermesError | None = None
    for version in (event, without_pictures(event)):
        key, value, headers = version.to_record(epoch)
        try:
            return publisher.send(topic, key=key, value=value, headers=headers)
        except RecordRefused as error:
            return error
        except MediaTooLarge as error:
            refusal = error
    assert refusal is not None, "both versions were too large"
    return refusal


def without_pictures(event: Event) -> Event:
    """The event without its thumbnails, which are nearly all of its size."""
    return replace(event, evidence=tuple(replace(moment, thumbnail=None) for moment in event.evidence))
