"""Keeps the actor running that keeps events. Questions never wait for it: what is wrong there is a warning."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import ray

from hermes_ray.cluster.control.streams.owed_erasures import Owed, OwedErasures
from hermes_ray.cluster.event_sink.actor import EventSink
from hermes_ray.cluster.store.snapshot_store import is_shared
from hermes_ray.cluster.wire.calls import Actor, find_actor, typed_errors
from hermes_ray.cluster.wire.events import EVENT_SINK, EventHealth
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings
from hermes_ray.errors import EventsUnavailable, HermesError, SnapshotError, TransportError, WorkerUnavailable
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import EventStats
from hermes_ray.transport.topic_ends import TopicEnds, topic_ends

log = get_logger(__name__)

_LOOK_S = 1.0
_ANSWER_LIMIT_S = 5.0
_ERASE_LIMIT_S = 15.0
_MOST_CALLS = 10_000
"""Nearly all are of followers, each of which waits for news; who comes behind must not wait for one of them."""
_ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""A resource that Ray gives the head node, and no other: that is where a SQLite file stays."""


def start_sink(settings: Settings) -> Actor:
    """The actor, which is created unless there is one.

    Raises:
        ValueError: the name belongs to an actor that is just coming or going.
    """
    remote: Any = ray.remote  # its declared options leave out concurrency_groups
    actor = remote(concurrency_groups=EventSink.concurrency_groups())(EventSink)
    named = {"name": EVENT_SINK, "namespace": settings.cluster.namespace, "lifetime": "detached"}
    always = {"get_if_exists": True, "max_restarts": -1, "max_task_retries": 0, "num_cpus": 0}
    options = actor.options(**named, **always, max_concurrency=_MOST_CALLS, resources=_ON_THE_HEAD)
    return options.remote(settings, is_shared(settings.snapshots))


def end_sink(namespace: str) -> bool:
    """End the actor, whoever has created it; returns whether there was one."""
    try:
        ray.kill(find_actor(EVENT_SINK, namespace))
    except WorkerUnavailable:
        return False
    return True


class EventKeeping:
    """The one actor that keeps events, if any are kept.

    Args:
        settings: the whole tree.
        phase: of this cluster, now: of those that share a database, the one that holds the streams reads and delivers.
        start: see :func:`start_sink`.
        end: see :func:`end_sink`.
        notes: of erasures that are not done yet; by default they die with this process.
        erased_under: the epoch up to which a stream's memory was erased, 0 where that is not known; ``None``: it was
            not. Asked of notes of a former process.
        ends: where the topic of events ends now; blocks, and raises ``TransportError``.
    """

    def __init__(
        self,
        settings: Settings,
        phase: Callable[[], TenurePhase],
        start: Callable[[Settings], Actor] = start_sink,
        end: Callable[[str], bool] = end_sink,
        notes: OwedErasures | None = None,
        erased_under: Callable[[str], Awaitable[int | None]] | None = None,
        ends: Callable[[], TopicEnds] | None = None,
    ) -> None:
        self._settings = settings
        self._phase = phase
        self._start = start
        self._end = end
        self._wanted = settings.events.database is not None
        self._handle: Actor | None = None
        self._health: EventHealth | None = None
        self._trouble = "starting"
        self._was_heard = False
        self._notes = notes or OwedErasures(None)
        self._erased_under = erased_under
        self._ends = ends or partial(topic_ends, settings.kafka, settings.kafka.events_topic)
        self._owed: dict[str, Owed] = {}
        self._over: dict[str, int] = {}
        self._under_way: Counter[str] = Counter()
        self._left_behind: set[str] = set()
        self._has_notes = False
        self._minding = asyncio.create_task(self._mind())

    @property
    def missing(self) -> list[str]:
        """A line for everything that is not as it should be, for people."""
        if not self._wanted or self._phase() is not TenurePhase.HOLDING:
            return []
        lines = self._health.trouble if self._health is not None else (self._trouble,)
        late = len(self._owed.keys() - self._under_way.keys())
        owed = [f"events of {late} erased streams are still to be deleted"] if late else []
        return [f"{EVENT_SINK}: {line}" for line in (*lines, *owed)]

    @property
    def stats(self) -> EventStats | None:
        """For metrics; ``None`` if no events are kept."""
        if not self._wanted:
            return None
        return EventStats() if self._health is None else self._health.stats

    @asynccontextmanager
    async def erasing(self, stream_id: str) -> AsyncIterator[None]:
        """Erase a stream in the block, and then its events: once it has begun, a new Coordinator ends what this leaves.

        An error in the block says that nothing was erased, unless it is ``EventsUnavailable``.

        Raises:
            SnapshotError: the store takes no note of it, or does not say what a former Coordinator owes; nothing has
                changed.
        """
        if not self._wanted:
            yield
            return
        await self._learn()  # or the note of this would take the place of an older debt, and be removed if this fails
        self._under_way[stream_id] += 1
        is_new = stream_id not in self._owed
        try:
            if is_new:
                await asyncio.to_thread(self._notes.save, stream_id, Owed())
                self._owed[stream_id] = Owed()
            yield
        except EventsUnavailable:
            raise
        except HermesError:
            if is_new and self._owed.get(stream_id) == Owed():
                await self._forget(stream_id)
            raise
        finally:
            self._under_way[stream_id] -= 1
            self._under_way += Counter()  # without those at 0

    async def erase(self, stream_id: str, epoch: int) -> int:
        """Delete a stream's events, also those that are published by now and not stored yet, or still on their way.

        Args:
            stream_id: which.
            epoch: up to which the stream was erased; whoever publishes under one of these is late. 0: not known.

        Returns:
            How many were deleted.

        Raises:
            EventsUnavailable: not now; it is done as soon as it can be. By a new Coordinator too, if there is a store.
        """
        if not self._wanted:
            return 0
        try:
            topic = await asyncio.to_thread(self._ends)
        except TransportError as error:
            await self._owe(stream_id, Owed(None, epoch))
            raise EventsUnavailable(f"no broker says which events there are: {error}") from error
        owed = Owed(topic, epoch)
        await self._owe(stream_id, owed)
        return await self._pay(stream_id, owed, topic)

    def end_matches(self, stream_id: str, epoch: int) -> None:
        """A stream is no more: tell that what was found of it does not hold any more, as soon as that can be.

        Args:
            stream_id: which.
            epoch: up to which it is no more.
        """
        if self._wanted:
            self._over[stream_id] = epoch

    async def _owe(self, stream_id: str, owed: Owed) -> None:
        self._owed[stream_id] = owed
        try:
            await asyncio.to_thread(self._notes.save, stream_id, owed)
        except SnapshotError as error:  # there is a note already, which says less
            log.warning("not noted what was erased", stream_id=stream_id, error=str(error))

    async def _pay(self, stream_id: str, owed: Owed, topic: TopicEnds) -> int:
        what = (stream_id, topic.log, dict(topic.ends), owed.epoch)
        try:
            deleted = await self._tell("erase", *what, limit_s=_ERASE_LIMIT_S)
        except HermesError as error:
            raise EventsUnavailable(f"events of stream {stream_id!r} are not deleted yet: {error}") from error
        if self._owed.get(stream_id) is owed:
            await self._forget(stream_id)
        return deleted

    async def _forget(self, stream_id: str) -> None:
        """Nothing is owed any more."""
        del self._owed[stream_id]
        self._left_behind.discard(stream_id)
        try:
            await asyncio.to_thread(self._notes.remove, stream_id)
        except SnapshotError as error:
            log.warning("the note of an erasure stays; it is done once more", stream_id=stream_id, error=str(error))

    def check(self) -> None:
        """Raise what nobody expected."""
        if self._minding.done():
            self._minding.result()

    def stop(self) -> None:
        """The cluster is about to end: an actor that ends is not created again."""
        self._minding.cancel()

    async def _mind(self) -> None:
        while self._wanted:
            if self._phase() is TenurePhase.HOLDING:
                await self._look()
            elif self._phase().has_let_go:
                self._let_go()
            await asyncio.sleep(_LOOK_S)

    def _let_go(self) -> None:
        """Another cluster has taken over. What is read and not stored is read again there.

        A former process of the Coordinator may have created the actor, and an erasure under way does so again.
        """
        self._handle = self._health = None
        if self._end(self._settings.cluster.namespace):
            log.info("another cluster keeps the events from now on")

    async def _look(self) -> None:
        try:
            self._health = await self._tell("health", limit_s=_ANSWER_LIMIT_S)
            self._was_heard = True
        except HermesError as error:
            self._health = None
            self._trouble = str(error) if self._was_heard else "starting"
            return
        try:
            await self._learn()
            for stream_id, owed in list(self._owed.items()):
                if stream_id not in self._under_way:
                    await self._go_on(stream_id, owed)
        except (EventsUnavailable, SnapshotError) as error:
            log.warning("not all events of erased streams are deleted yet", error=str(error))
        try:
            for stream_id, epoch in list(self._over.items()):
                await self._tell("end_matches", stream_id, epoch, limit_s=_ERASE_LIMIT_S)
                if self._over[stream_id] == epoch:
                    del self._over[stream_id]
        except HermesError as error:
            log.warning("nobody is told yet that matches of forgotten streams are over", error=str(error))

    async def _learn(self) -> None:
        """What a former Coordinator has left."""
        if self._has_notes:
            return
        left = await asyncio.to_thread(self._notes.load)
        if self._has_notes:  # somebody else has asked meanwhile
            return
        self._has_notes = True
        self._left_behind = {stream_id for stream_id, owed in left.items() if owed == Owed()} - self._owed.keys()
        self._owed = left | self._owed

    async def _go_on(self, stream_id: str, owed: Owed) -> None:
        if owed.topic is not None:
            await self._pay(stream_id, owed, owed.topic)
            return
        epoch: int | None = owed.epoch
        if not epoch and self._erased_under is not None:
            epoch = await self._erased_under(stream_id)
            if stream_id in self._under_way or self._owed.get(stream_id) is not owed:
                return  # it was asked for again meanwhile
            if epoch is None and stream_id in self._left_behind:
                log.warning("an erasure had not begun when the Coordinator ended; ask again", stream_id=stream_id)
                await self._forget(stream_id)
                return
        await self.erase(stream_id, epoch or 0)

    async def _tell(self, method: str, *args: object, limit_s: float) -> Any:
        try:
            self._handle = self._handle or self._start(self._settings)
        except ValueError as error:  # the name belongs to an actor that is just coming or going
            raise EventsUnavailable(str(error)) from error
        try:
            with typed_errors(EVENT_SINK):
                return await asyncio.wait_for(getattr(self._handle, method).remote(*args), limit_s)
        except EventsUnavailable:
            raise
        except HermesError:
            self._handle = None
            raise
