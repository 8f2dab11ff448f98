"""Brings frames into a memory, and puts to it what is due at each of them.

When something is due depends on the stream's frames alone, and the memory stands still until it is answered: only
frames of that stream wait. So whoever replays the frames asks the same of the same memory, and finds the same.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from hermes_ray.cluster.memory_worker.frames.frame_applier import Applied, FrameApplier, Images
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.engine.contracts import Answer, Question, StreamStats
from hermes_ray.errors import InvalidQuestion, Overloaded, PictureError, QuestionFailed
from hermes_ray.observability.logs import get_logger
from hermes_ray.standing.finding import Finding, conclude, with_pictures
from hermes_ray.standing.rule import Moment, Rule
from hermes_ray.standing.trigger import Trigger
from hermes_ray.standing.watch import Watch, due_at, first_due
from hermes_ray.standing.withdrawal import withdrawn
from hermes_ray.transport.event import Event

if TYPE_CHECKING:
    from hermes_ray.engine import StreamEngine

log = get_logger(__name__)

MOST_PENDING = 100
"""Events of one stream that the broker has not confirmed; beyond it the stream's frames wait in Kafka."""
_TRIES = 3
"""A question that fails so often is given up until it is due again."""
_MOST_PICTURES = 3
_MOST_PICTURE_BYTES = 96 * 1024
"""Of one event; it is part of snapshots until it is published."""


@dataclass(slots=True)
class Watched:
    """What became of a batch.

    Attributes:
        applied: of its frames.
        triggers: where the stream's rules are behind it; ``None`` if that has not changed.
        events: what was found, oldest first.
    """

    applied: Applied = field(default_factory=Applied)
    triggers: Mapping[str, Trigger] | None = None
    events: list[Event] = field(default_factory=list)


class WatchedFrames:
    """Applies batches to an engine, one of each stream at a time.

    Args:
        rules: what is put to which stream.
        meters: told of evaluations.
        record_bytes: the largest record that the broker takes, bytes.
    """

    def __init__(self, rules: StandingRules, meters: StandingMeters, record_bytes: int) -> None:
        self._rules = rules
        self._meters = meters
        self._picture_bytes = min(_MOST_PICTURE_BYTES, record_bytes // 4)
        self._applier = FrameApplier()

    async def apply(
        self,
        engine: "StreamEngine",
        stream_id: str,
        images: Images,
        ts_ms: Sequence[int],
        watch: Watch,
        before: StreamStats | None,
    ) -> Watched:
        """Apply a batch.

        Args:
            engine: where to.
            stream_id: whose.
            images: ``[height, width, 3]`` uint8 RGB each.
            ts_ms: their capture times, ms since epoch.
            watch: where the stream's rules are.
            before: of the stream; ``None`` if it has no frame.

        Raises:
            HermesError: as :meth:`FrameApplier.apply`, and the engine cannot answer.
            Overloaded: nothing was taken; so many events wait for the broker that the stream has to wait too.
        """
        rules = self._rules.of(stream_id)
        names = {rule.name for rule in rules}
        over = withdrawn(stream_id, watch.triggers, names)
        if not rules:
            applied = await self._applier.apply(engine, stream_id, images, ts_ms)
            self._meters.withdrawn(over)
            return Watched(applied, {} if watch.triggers else None, over)  # rules that are no more are forgotten
        if len(watch.pending) >= MOST_PENDING:
            raise Overloaded(f"{len(watch.pending)} events of stream {stream_id!r} wait for the broker")
        known = {name: trigger for name, trigger in watch.triggers.items() if name in names}
        result, done, stats = Watched(triggers=known, events=list(over)), 0, before
        while done < len(images):
            seen = 0 if stats is None else stats.frames_seen
            due = first_due(stream_id, rules, result.triggers or {}, seen, ts_ms[done:])
            upto = len(images) if due is None else done + due + 1
            applied = await self._apply(engine, stream_id, images[done:upto], ts_ms[done:upto], may_refuse=done == 0)
            result.applied.refused |= {done + index: error for index, error in applied.refused.items()}
            if applied.stats is not None:
                result.applied.stats = stats = applied.stats
                await self._evaluate(engine, stream_id, rules, stats, result)
            done = upto
        self._meters.withdrawn(over)
        return result

    async def _apply(
        self, engine: "StreamEngine", stream_id: str, images: Images, ts_ms: Sequence[int], *, may_refuse: bool
    ) -> Applied:
        while True:
            try:
                return await self._applier.apply(engine, stream_id, images, ts_ms, may_refuse=may_refuse)
            except Overloaded as error:
                if may_refuse:
                    raise
                # Frames before these are in the memory, so the batch cannot be sent again.
                await asyncio.sleep(error.retry_after_s)

    async def _evaluate(
        self, engine: "StreamEngine", stream_id: str, rules: Sequence[Rule], stats: StreamStats, result: Watched
    ) -> None:
        """Put to the memory as it is now whatever is due; all of it is read in one pass if there are seats."""
        assert stats.as_of_ms is not None, "frames were applied"
        moment = Moment(stats.frames_seen, stats.frames_seen - stats.frames_unchanged, stats.as_of_ms)
        due = due_at(stream_id, rules, result.triggers or {}, moment)
        result.triggers = triggers = dict(due.triggers)
        self._meters.due(asked=len(due.asked), unchanged=due.skipped)
        if not due.asked:
            return
        began_s = perf_counter()
        conclusions = [_conclusion(stream_id, rule, before, triggers[rule.name], moment) for rule, before in due.asked]
        answers = await asyncio.gather(*(self._ask(engine, stream_id, *asked) for asked in conclusions))
        found: list[Event] = []
        for (rule, _), (_, concluded), answer in zip(due.asked, conclusions, answers, strict=True):
            if answer is None:
                self._meters.failed()
                continue
            finding = concluded(answer)
            triggers[rule.name] = finding.trigger
            if finding.event is not None:
                found.append(await self._illustrated(engine, finding.event))
        result.events += found
        self._meters.answered(perf_counter() - began_s, found)

    async def _ask(
        self, engine: "StreamEngine", stream_id: str, question: Question, concluded: Callable[[Answer], Finding]
    ) -> Answer | None:
        """The answer; what it rests on is found out if it is an event, and few are."""

        def is_event(answer: Answer) -> bool:
            return concluded(answer).event is not None

        for _ in range(_TRIES):
            try:
                asked = engine.ask(stream_id, question, background=True, wants_evidence=is_event)
                return await asyncio.wrap_future(asked.outcome)
            except QuestionFailed as error:
                log.warning("a standing question failed", stream_id=stream_id, error=str(error))
            except InvalidQuestion as error:
                log.error("a standing question cannot be asked", stream_id=stream_id, error=str(error))
                return None
        return None

    async def _illustrated(self, engine: "StreamEngine", event: Event) -> Event:
        """The event with thumbnails, as the memory has them still."""
        pictures: dict[int, bytes] = {}
        for moment in event.evidence[:_MOST_PICTURES]:
            with suppress(PictureError):  # forgotten, or none are kept
                pictures[moment.frame] = (await asyncio.to_thread(engine.picture, event.stream_id, moment.frame)).jpeg
        evidence = tuple(with_pictures(event.evidence, pictures, self._picture_bytes))
        return replace(event, evidence=evidence, model=engine.adapter.name)


def _conclusion(
    stream_id: str, rule: Rule, before: Trigger, after: Trigger, moment: Moment
) -> tuple[Question, Callable[[Answer], Finding]]:
    """What is to be asked because of a rule, and what makes a finding of the answer: from any thread."""
    question = rule.question(before.asked_ms, moment.captured_ms)
    return question, partial(conclude, stream_id, rule, before, after, question)
