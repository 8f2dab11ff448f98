"""Standing questions of the whole system: those of the settings, and those that people make while it runs."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.standing import Definitions, Standing
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.errors import InvalidRequest, NotReady, SnapshotError, StandingQuestionExists, UnknownStandingQuestion
from hermes_ray.observability.logs import get_logger
from hermes_ray.standing.rule import Rule

log = get_logger(__name__)

_RETRY_S = 2.0


class StandingQuestions:
    """Held by the Coordinator; changes are in the store before anybody learns of them. For one event loop.

    Args:
        settings: the whole tree.
        store: keeps what people make; ``None``: nothing can be made.
        streams: those that there are now.
        workers: memory workers that are up.
        now_ms: the time, for versions, ms since epoch.
    """

    def __init__(
        self,
        settings: Settings,
        store: StandingStore | None,
        streams: Callable[[], Collection[str]],
        workers: Callable[[], int],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings.standing
        self._fps = settings.video.target_fps
        self._store = store
        self._streams = streams
        self._workers = workers
        self._now_ms = now_ms
        self._known: Definitions | None = Definitions() if store is None else None
        self._one_at_a_time = asyncio.Lock()

    @property
    def known(self) -> Definitions | None:
        """What the workers are to know; ``None`` until the store was read."""
        return self._known

    async def load(self) -> None:
        """Read the store, again and again until it can be read."""
        while self._store is not None:
            try:
                self._known = await asyncio.to_thread(self._store.load)
                return
            except SnapshotError as error:
                log.error("standing questions cannot be read yet", error=str(error))
                await asyncio.sleep(_RETRY_S)

    def all(self) -> list[Standing]:
        """Every one, by name.

        Raises:
            NotReady: the store was not read yet.
        """
        found = self._require_known().merged(self._settings.questions)
        return sorted(found, key=lambda standing: standing.question.name)

    async def add(self, question: StandingQuestion) -> Standing:
        """Make one.

        Raises:
            StandingQuestionExists: there is one of that name.
            InvalidRequest: there are too many, together they ask too often, or it would be lost at the next restart.
            NotReady, SnapshotError: nothing has changed; the store cannot be read or written.
        """
        async with self._one_at_a_time:
            known = self._require_known()
            if any(standing.question.name == question.name for standing in self.all()):
                raise StandingQuestionExists(
                    f"there is a standing question {question.name!r} already; replace it, or choose another name"
                )
            if self._store is None:
                raise InvalidRequest(
                    "without a snapshot store (snapshots.url) a standing question would be lost at the next restart; "
                    "set one, or name the question in the settings under standing.questions"
                )
            if len(known.made) >= self._settings.max_questions:
                raise InvalidRequest(
                    f"there are {len(known.made)} standing questions, as many as standing.max_questions allows; "
                    "remove one, or raise it"
                )
            self._check_cost(question)
            await self._save(known.with_made(question))
        return Standing(question, made=True)

    async def replace(self, question: StandingQuestion) -> Standing:
        """Put one in the place of another of its name, which is asked until then, and for good where this is refused.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings, or together they would ask too often.
            NotReady, SnapshotError: nothing has changed; the store cannot be read or written.
        """
        async with self._one_at_a_time:
            if not self._find(question.name).made:
                raise InvalidRequest(f"name: {question.name!r} is in the settings; change it there")
            self._check_cost(question)
            await self._save(self._require_known().with_made(question))
        return Standing(question, made=True)

    async def remove(self, name: str) -> None:
        """Remove one that was made while the system runs.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings.
            NotReady, SnapshotError: nothing has changed; the store cannot be read or written.
        """
        async with self._one_at_a_time:
            if not self._find(name).made:
                raise InvalidRequest(f"name: {name!r} is in the settings; remove it there, or mute it")
            await self._save(self._require_known().without(name))

    async def mute(self, name: str, muted: bool) -> Standing:
        """Mute one, wherever it is from, or unmute it.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: unmuted, together they would ask too often; or it is in the settings and there is no store.
            NotReady, SnapshotError: nothing has changed; the store cannot be read or written.
        """
        async with self._one_at_a_time:
            known, standing = self._require_known(), self._find(name)
            changed = replace(standing, question=standing.question.model_copy(update={"muted": muted}))
            if self._store is None:
                raise InvalidRequest(
                    "without a snapshot store (snapshots.url) this would be lost; set it in the settings"
                )
            if not muted and standing.question.muted:
                self._check_cost(changed.question)
            if standing.made:
                await self._save(known.with_made(changed.question))
            else:
                await self._save(replace(known, muted={**known.muted, name: muted}))
        return changed

    def _check_cost(self, further: StandingQuestion) -> None:
        if further.muted:
            return
        most = self._settings.max_evaluations_per_s * max(1, self._workers())
        others = (standing.question for standing in self.all() if standing.question.name != further.name)
        own, rest = self._cost(further), sum(self._cost(question) for question in others)
        if own + rest > most:
            raise InvalidRequest(
                f"streams: of the streams of now this one would ask {own:.3g} times per second, the others {rest:.3g}, "
                f"and {most:.3g} are allowed (standing.max_evaluations_per_s for each memory worker); ask less often, "
                "ask fewer streams, or raise it"
            )

    def _cost(self, question: StandingQuestion) -> float:
        """Evaluations per second."""
        watched = sum(Rule(question).watches(stream_id) for stream_id in self._streams())
        if question.every_frames is not None:
            return watched * self._fps / question.every_frames
        return watched / (question.period_s or 1.0)

    async def _save(self, definitions: Definitions) -> None:
        assert self._store is not None, "there is a store"
        before = self._require_known().version
        changed = replace(definitions, version=max(before + 1, self._now_ms()))
        try:
            await asyncio.to_thread(self._store.save, changed, before)
        except SnapshotError:
            self._known = await asyncio.to_thread(self._store.load)  # what it has, whoever wrote it
            raise
        self._known = changed

    def _find(self, name: str) -> Standing:
        found = next((standing for standing in self.all() if standing.question.name == name), None)
        if found is None:
            raise UnknownStandingQuestion(f"there is no standing question {name!r}")
        return found

    def _require_known(self) -> Definitions:
        if self._known is None:
            raise NotReady("the standing questions have not been read from the snapshot store yet")
        return self._known
