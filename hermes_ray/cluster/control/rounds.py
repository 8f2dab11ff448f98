"""The Coordinator's rounds: several times a second every worker is heard, told what it is to do, and what follows."""

import asyncio
import os

from hermes_ray.cluster.control.event_keeping import EventKeeping
from hermes_ray.cluster.control.generations.succession import Succession
from hermes_ray.cluster.control.moves.mover import StreamMover
from hermes_ray.cluster.control.moves.take_over import TakeOver
from hermes_ray.cluster.control.standing_questions import StandingQuestions
from hermes_ray.cluster.control.streams.known_streams import KnownStreams
from hermes_ray.cluster.control.workers.supervisor import Supervisor
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ROUND_S = 0.25


class Rounds:
    """And what goes on beside them. Begins when it is made, on the running event loop.

    Args:
        supervisor: of the workers.
        succession: what this cluster may do now.
        known: which streams there are.
        mover: moves streams towards even loads, and off workers that drain.
        take_over: gives streams of processes that have ended to others.
        standing: standing questions.
        events: keeps the actor running that keeps events.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        succession: Succession,
        known: KnownStreams,
        mover: StreamMover,
        take_over: TakeOver,
        standing: StandingQuestions,
        events: EventKeeping,
    ) -> None:
        self._supervisor = supervisor
        self._succession = succession
        self._known = known
        self._mover = mover
        self._standing = standing
        self._events = events
        # Before every worker was asked what it holds, no stream may be placed or called unknown.
        self._heard_all = asyncio.Event()
        self._has_held, self._has_learnt = asyncio.Event(), asyncio.Event()
        self._taking_over = asyncio.create_task(take_over.run())
        self._supervision = asyncio.create_task(self._supervise())
        self._expiring = asyncio.create_task(known.expire())
        owning = asyncio.create_task(succession.ownership.run())
        self._beside = [self._taking_over, self._expiring, owning, asyncio.create_task(self._learn_standing())]

    async def heard_all(self) -> None:
        """Wait until every worker was asked what it holds."""
        await self._heard_all.wait()

    def stop(self) -> None:
        """The cluster is about to end: start nothing again that ends."""
        self._supervision.cancel()
        self._supervisor.stop()
        self._taking_over.cancel()
        self._events.stop()

    async def _supervise(self) -> None:
        try:
            while True:
                await self._go_round()
                await asyncio.sleep(_ROUND_S)
        except Exception:
            log.exception("supervision failed; the process ends and Ray starts another")
            os._exit(1)

    async def _go_round(self) -> None:
        # Where another cluster was before, no stream goes on until the workers were told what people had it ask.
        may_go_on = not self._succession.ownership.follows_another or self._has_learnt.is_set()
        self._supervisor.hold_admissions(self._succession.is_in_doubt)
        await self._supervisor.visit()
        self._heard_all.set()
        if self._succession.is_holding:
            self._has_held.set()
        holds = self._succession.is_holding and may_go_on
        if self._succession.phase.has_let_go:
            self._let_go()
        elif holds:
            await self._supervisor.assign()
            if self._succession.may_act:
                self._mover.go_on()
        self._events.check()
        for beside in self._beside:
            if beside.done() and not beside.cancelled():
                beside.result()  # nothing to expire; or what nobody expected, which ends this process
        await self._supervisor.replan()
        is_up = holds and self._succession.may_act and not self._supervisor.unheard() and self._supervisor.all_up()
        if is_up and not self._known.are_all:
            await self._known.reclaim()

    def _let_go(self) -> None:
        """Another cluster has claimed the streams."""
        if (hand_over := self._succession.hand_over()) is not None:
            for task in (self._taking_over, self._expiring):
                task.cancel()
            self._beside.append(asyncio.create_task(hand_over.run()))

    async def _learn_standing(self) -> None:
        await self._standing.load()
        await self._has_held.wait()
        if self._succession.ownership.follows_another:
            await self._standing.load()  # which the former cluster may have changed meanwhile
        self._has_learnt.set()
