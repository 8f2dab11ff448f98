"""ClusterClient: how the HTTP API, or any other process on the cluster, reads and asks streams."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Self

from hermes_ray.cluster.wire.client.answer_channels import AnswerChannels
from hermes_ray.cluster.wire.client.asking import Asking
from hermes_ray.cluster.wire.client.owners import StreamOwners
from hermes_ray.cluster.wire.client.shared_call import SharedCall
from hermes_ray.cluster.wire.client.stream_statuses import StreamStatuses, Survey, figures_of, merged
from hermes_ray.cluster.wire.contracts import Erasure, IngestCounts, Location, Readiness, StreamStatus
from hermes_ray.cluster.wire.events import RemoteEvents
from hermes_ray.cluster.wire.memory_file import MemoryFile, Receive, end, parts_of, parts_of_file, send
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView, StreamReport
from hermes_ray.cluster.wire.standing import Standing
from hermes_ray.cluster.wire.stream_settings import Change
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.cluster.wire.tenure_phase import TenurePhase
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.engine.contracts import Answer, AnswerToken, FramePicture, MemoryMap, Question
from hermes_ray.errors import (
    HermesError,
    NotReady,
    StreamExists,
    UnknownStream,
    WorkerUnavailable,
)
from hermes_ray.events.contract import Events
from hermes_ray.observability.logs import get_logger
from hermes_ray.observability.stats import StreamFigures, SystemStats

log = get_logger(__name__)

_MAP_LIMIT_S = 20.0
"""A map or a picture waits for a step of the engine, and behind others."""
_DRAIN_LIMIT_S = 10.0
"""Longer than the Coordinator waits for the worker."""
_RESET_LIMIT_S = 40.0
"""Longer than the Coordinator waits for the stream's owner."""
_STORE_LIMIT_S = 30.0
"""For a slow snapshot store."""
_ERASE_LIMIT_S = 60.0
"""The same; and a move that is under way, and the broker."""
_TRANSFER_LIMIT_S = 30.0
"""A snapshot waits for a step of the engine, and is copied off the device."""
_IMPORT_LIMIT_S = 90.0
"""Longer than the Coordinator waits for the worker, and the broker."""
_STATS_LIMIT_S = 1.0
"""A scrape must end well within Prometheus' own limit of 10 s."""


class ClusterClient:
    """Talks to the workers directly; the Coordinator is asked once per stream, and again when an owner has changed.

    For one event loop. Make it with :meth:`connect`. Only typed errors come out.
    """

    def __init__(self, namespace: str, max_lag_s: float) -> None:
        self._statuses = StreamStatuses(max_lag_s)
        self._listing = SharedCall(self._list)
        self._owners = StreamOwners(namespace, forgotten=lambda worker: self._channels.forget(worker))
        self._channels = AnswerChannels(self._owners.handle, self._owners.ended)
        self._asking = Asking(self._owners, self._channels)
        self.events: Events = RemoteEvents(self._owners.call)
        """What standing questions and journals found out."""
        self._active = True

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """A client of the cluster that ``ensure_cluster`` brought up.

        Raises:
            NotReady: there is no Coordinator.
        """
        client = cls(settings.cluster.namespace, settings.video.max_lag_s)
        try:
            client._owners.handle(COORDINATOR)
        except WorkerUnavailable as error:
            raise NotReady("the cluster has not been brought up: there is no Coordinator") from error
        return client

    async def readiness(self) -> Readiness:
        """Whether the system can serve, and what is missing if not. Raises nothing: what fails is what is missing."""
        try:
            return await self._owners.call(COORDINATOR, "readiness")
        except HermesError as error:
            return Readiness(False, (f"{COORDINATOR}: {error}",))

    async def is_active(self) -> bool:
        """Whether no other cluster has taken over, as far as is known. Raises nothing, and waits a second at most."""
        try:
            phase = await self._owners.call(COORDINATOR, "phase", limit_s=_STATS_LIMIT_S)
            self._active = phase is not TenurePhase.OVER
        except HermesError as error:
            log.debug("not known whether another cluster has taken over", error=str(error))
        return self._active

    async def list_streams(self) -> list[StreamStatus]:
        """Every stream that has a memory, by name.

        Of a stream whose worker is away, or that is moving or being restored, it is what was last known here. However
        many ask at the same time, the workers are asked once for all of them.
        """
        return await self._listing()

    async def _list(self) -> list[StreamStatus]:
        view: ClusterView = await self._owners.call(COORDINATOR, "view")
        self._owners.locations = dict(view.locations)
        counts, reports, restoring = await asyncio.gather(
            self._counts(view),
            self._owners.ask_all(view.memory_workers, "reports"),
            self._owners.ask_all(view.memory_workers, "restoring"),
        )
        return await asyncio.to_thread(self._statuses.all, Survey(view, reports, restoring, counts))

    async def stats(self, *, per_stream: bool = False) -> SystemStats:
        """What the workers count and measure. Waits for no worker and raises nothing: what is unknown is left out.

        Args:
            per_stream: each stream too; asks the workers that are up, within a second.
        """
        try:
            async with asyncio.timeout(_STATS_LIMIT_S):
                workers = await self._owners.call(COORDINATOR, "worker_stats")
                problems = await self._owners.call(COORDINATOR, "question_problems")
                events = await self._owners.call(COORDINATOR, "event_stats")
                phase: TenurePhase = await self._owners.call(COORDINATOR, "phase")
        except (HermesError, TimeoutError) as error:
            log.warning("no stats", error=str(error))
            return SystemStats(coordinator_up=False)
        streams = await self._stream_figures() if per_stream else {}
        return SystemStats(True, workers, streams, problems, events, phase.value)

    async def report_question_problems(self, router: str, totals: Mapping[str, int]) -> None:
        """Tell the Coordinator which questions a router process has seen fail; see ``Backend``."""
        await self._owners.call(COORDINATOR, "count_question_problems", router, totals)

    async def drain(self, worker: str, *, draining: bool) -> None:
        """Have a memory worker hand all of its streams over, and get none; or end that. Returns at once.

        Raises:
            UnknownWorker: there is no memory worker of that name.
            WorkerUnavailable: it does not answer, or the Coordinator.
        """
        await self._owners.call(COORDINATOR, "drain", worker, draining, limit_s=_DRAIN_LIMIT_S)

    async def _stream_figures(self) -> Mapping[str, StreamFigures]:
        try:
            async with asyncio.timeout(_STATS_LIMIT_S):
                statuses = await self.list_streams()
        except (HermesError, TimeoutError) as error:
            log.warning("no stats of streams", error=str(error))
            return {}
        up = (status for status in statuses if status.state is not StreamState.FAILED)
        return {status.stream_id: figures_of(status) for status in up}

    async def locate(self, stream_id: str) -> Location:
        """Which worker owns a stream; after the first time from the cache, without a call.

        Raises:
            UnknownStream: no frame of it has come.
        """
        return await self._owners.locate(stream_id)

    async def stream(self, stream_id: str) -> StreamStatus:
        """One stream.

        Raises:
            UnknownStream: no frame of it has come.
            NotReady: its first frame is on the way.
            WorkerUnavailable: its owner is away.
        """
        report: StreamReport
        location, report = await self._owners.look(stream_id, "report")
        counts = await self._counts(await self._owners.call(COORDINATOR, "members"))
        return self._statuses.one(stream_id, location, report, counts.get(stream_id))

    async def memory_map(self, stream_id: str) -> MemoryMap:
        """What each tier of a stream's memory still holds of every frame.

        Raises:
            UnknownStream, NotReady, WorkerUnavailable: as for :meth:`stream`.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        _, drawn = await self._owners.look(stream_id, "memory_map", limit_s=_MAP_LIMIT_S)
        return drawn

    async def examples(self, stream_id: str) -> tuple[str, ...]:
        """Questions that the model of a stream understands, those first that a person would ask first.

        Raises:
            UnknownStream, NotReady, WorkerUnavailable: as for :meth:`stream`.
        """
        _, examples = await self._owners.look(stream_id, "examples")
        return examples

    async def picture(self, stream_id: str, frame: int | None) -> FramePicture:
        """What a frame looked like, the newest without a number.

        Raises:
            UnknownStream, NotReady, WorkerUnavailable: as for :meth:`stream`.
            UnknownFrame: the stream has not come that far.
            FrameGone: there is no picture of that frame, any more or at all.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        _, picture = await self._owners.look(stream_id, "picture", frame, limit_s=_MAP_LIMIT_S)
        return picture

    async def reset(self, stream_id: str) -> Location:
        """Give a stream an empty memory; its owner stays, under a new epoch.

        Raises:
            UnknownStream: no frame of it has come.
            NotReady: it is moving or being restored.
            SnapshotError: the snapshot store did not take the empty memory; the stream is as it was.
            WorkerUnavailable: its owner is away.
        """
        self._owners.locations[stream_id] = await self._owners.call(
            COORDINATOR, "reset", stream_id, limit_s=_RESET_LIMIT_S
        )
        return self._owners.locations[stream_id]

    async def erase(self, stream_id: str) -> Erasure:
        """Forget a stream and all that is kept of it. Whatever was published of it up to now never counts again.

        Raises:
            UnknownStream: nothing is kept of it.
            NotReady: it is moving, or no broker answers.
            SnapshotError: the snapshot store did not take it.
            WorkerUnavailable: its owner is away, and its snapshots are on that machine.
        """
        erasure: Erasure = await self._owners.call(COORDINATOR, "erase", stream_id, limit_s=_ERASE_LIMIT_S)
        self._owners.locations.pop(stream_id, None)
        self._statuses.forget(stream_id)
        return erasure

    async def configure(self, stream_id: str, change: Change) -> None:
        """Change what is set for a stream alone.

        Raises:
            UnknownStream, NotReady, SnapshotError, WorkerUnavailable: as for :meth:`reset`.
            InvalidRequest: that cannot be set.
        """
        self._owners.locations[stream_id] = await self._owners.call(
            COORDINATOR, "configure", stream_id, change, limit_s=_RESET_LIMIT_S
        )

    async def standing_questions(self) -> list[Standing]:
        """Every standing question, by name.

        Raises:
            NotReady: they were not read from the store yet.
        """
        return await self._owners.call(COORDINATOR, "standing_questions")

    async def add_standing_question(self, question: StandingQuestion) -> Standing:
        """Make a standing question; every worker puts it within seconds.

        Raises:
            StandingQuestionExists: there is one of that name.
            InvalidRequest: there are too many, they ask too often, or it would be lost at the next restart.
            NotReady, SnapshotError: nothing has changed.
        """
        return await self._owners.call(COORDINATOR, "add_standing_question", question, limit_s=_STORE_LIMIT_S)

    async def replace_standing_question(self, question: StandingQuestion) -> Standing:
        """Put a standing question in the place of another of its name, at once or not at all.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings, or they ask too often.
            NotReady, SnapshotError: nothing has changed.
        """
        return await self._owners.call(COORDINATOR, "replace_standing_question", question, limit_s=_STORE_LIMIT_S)

    async def remove_standing_question(self, name: str) -> None:
        """Remove a standing question that was made while the system runs.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: it is in the settings.
            NotReady, SnapshotError: nothing has changed.
        """
        await self._owners.call(COORDINATOR, "remove_standing_question", name, limit_s=_STORE_LIMIT_S)

    async def mute_standing_question(self, name: str, muted: bool) -> Standing:
        """Mute or unmute a standing question.

        Raises:
            UnknownStandingQuestion: there is none of that name.
            InvalidRequest: unmuted, they ask too often.
            NotReady, SnapshotError: nothing has changed.
        """
        return await self._owners.call(COORDINATOR, "mute_standing_question", name, muted, limit_s=_STORE_LIMIT_S)

    async def export(self, stream_id: str) -> MemoryFile:
        """A stream's memory as a file.

        Raises:
            UnknownStream, NotReady, WorkerUnavailable: as for :meth:`stream`.
            Overloaded: its worker exports or imports too many already.
            SnapshotError: its memory was parked on disk and cannot be read back.
        """
        location, (transfer, size) = await self._owners.look(stream_id, "export", limit_s=_TRANSFER_LIMIT_S)
        parts = parts_of(self._owners.call, location.worker, transfer, size)
        return MemoryFile(size, parts, partial(end, self._owners.call, location.worker, transfer))

    async def import_memory(self, stream_id: str, receive: Receive, *, replace: bool) -> Location:
        """Begin a stream with a memory that was exported; what is published from now on comes into it.

        Raises:
            StreamExists: it has a memory, and ``replace`` is not set.
            InvalidMemory: the file holds none, or none for this system's model and settings.
            NoFreeSlot, Overloaded, NotReady, WorkerUnavailable: not now.
            SnapshotError: the snapshot store did not take it.
        """
        # or a gigabyte would be received for nothing
        await self._owners.call(COORDINATOR, "choose_for_import", stream_id)
        if not replace:
            await self._require_no_memory(stream_id)
        file = await receive()
        worker = await self._owners.call(COORDINATOR, "choose_for_import", stream_id)  # minutes later, maybe
        transfer = await send(self._owners.call, worker, parts_of_file(file))
        try:
            where = (stream_id, worker, transfer, replace)
            self._owners.locations[stream_id] = await self._owners.call(
                COORDINATOR, "take_over", *where, limit_s=_IMPORT_LIMIT_S
            )
        finally:
            await end(self._owners.call, worker, transfer)
        return self._owners.locations[stream_id]

    async def _require_no_memory(self, stream_id: str) -> None:
        try:
            await self._owners.look(stream_id, "report")
        except (UnknownStream, NotReady):
            return
        raise StreamExists(f"stream {stream_id!r} has a memory already; set replace=true to lose it")

    def ask(
        self,
        stream_id: str,
        question: Question,
        timeout_s: float,
        patience_s: float = 0.0,
        *,
        streamed: bool = True,
    ) -> AsyncGenerator[AnswerToken | Answer, None]:
        """Answer a question: tokens as they are known, then the :class:`Answer`. Closing it early cancels the answer.

        Args and errors are those of :meth:`Asking.ask`.
        """
        return self._asking.ask(stream_id, question, timeout_s, patience_s, streamed=streamed)

    async def _counts(self, view: ClusterView) -> Mapping[str, IngestCounts]:
        return merged((await self._owners.ask_all(view.ingest_workers, "counts")).values())
