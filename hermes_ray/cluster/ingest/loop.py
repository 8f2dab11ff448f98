"""The work of an ingest worker, in one thread: read, decode, sample, send, survey, commit.

::

    PartitionReader ──> RecordGate ──record──> RecordIntake ──frames──> Outbox ──batch──> Delivery ──> stream's owner
          ^                                        │ unusable             │ refused          │
          │                                        └────> RejectedRecords <┘                 │
          └────────────── safe: frames in stored snapshots, confirmed dead letters ──────────┘

Backpressure runs the other way: an owner that refuses (``Overloaded``) postpones its stream's lane; a stream with more
than its share in the outbox, or whose owner is not known, has its partition held; a full outbox stops reading.

A stream whose owner has died or changed is *restarted*: what is queued of it is dropped, its partitions are read again
from where they were not safe, and its new owner says what it has seen; from there the stream goes on. What other
streams have on those partitions is known and passed over.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from uuid import uuid4

from hermes_ray.cluster.ingest.counts import StreamCounts
from hermes_ray.cluster.ingest.dead_letters.rejected_records import RejectedRecords
from hermes_ray.cluster.ingest.delivery.delivery import Delivery
from hermes_ray.cluster.ingest.delivery.durable_frames import DurableFrames
from hermes_ray.cluster.ingest.delivery.sender import BatchSender
from hermes_ray.cluster.ingest.intake.comparing import Comparing
from hermes_ray.cluster.ingest.intake.intake import Intake, RecordIntake
from hermes_ray.cluster.ingest.intake.streams import IngestStreams
from hermes_ray.cluster.ingest.meters import IngestMeters
from hermes_ray.cluster.ingest.outbox import Outbox, QueuedFrame
from hermes_ray.cluster.ingest.partitions.commit_permit import CommitPermit
from hermes_ray.cluster.ingest.partitions.offsets import AwaitedFrame
from hermes_ray.cluster.ingest.partitions.partition_reader import PartitionReader
from hermes_ray.cluster.ingest.record_gate import RecordGate
from hermes_ray.cluster.wire.contracts import IngestCounts
from hermes_ray.cluster.wire.protocol import Assignment, IngestHealth, OwnersChanged
from hermes_ray.config import Settings
from hermes_ray.errors import (
    EngineError,
    HermesError,
    MediaError,
    MessageError,
    TransportError,
)
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.consumer import PartitionConsumer
from hermes_ray.transport.credentials import CredentialFiles
from hermes_ray.transport.dead_letters import DeadLetterWriter
from hermes_ray.transport.record import Record
from hermes_ray.transport.topics import ensure_topics

log = get_logger(__name__)

_IDLE_POLL_S = 0.1
_BUSY_POLL_S = 0.01
"""While batches are under way: how late their end may be noticed."""
_HOUSEKEEPING_S = 0.5
"""Commits, lag and the topic's partitions; a few small requests to the broker each time."""
_RECONNECT_S = 1.0
_REPLAY_INTERVALS = 2
"""Snapshots of a stream may be so many times their interval apart, since a worker writes one after the other."""
_GAP_MARGIN_S = 30.0
"""Beyond that, for every stream that a retention gap concerns to send something."""
_COMMIT_MARGIN_S = 30.0
"""Beyond that, for another ingest worker to commit something."""
_MOST_DEAD_LETTERS = 64
"""Unconfirmed dead letters that stop reading; each holds its record."""


class IngestLoop:
    """Moves frames from the assigned partitions to their streams' owners until stopped.

    :meth:`run` is the thread's body; the other public methods may be called from any thread.

    Args:
        settings: the whole tree.
        permit: to commit offsets; by default for good.
    """

    def __init__(self, settings: Settings, permit: CommitPermit | None = None) -> None:
        self._settings = settings
        self._permit = permit or CommitPermit()
        replay_s = _REPLAY_INTERVALS * settings.snapshots.interval_s
        self._reader = PartitionReader(settings.kafka.frames_topic, self._reject, keep_gaps_s=replay_s + _GAP_MARGIN_S)
        self._streams = IngestStreams()
        self._comparing = Comparing(settings.video, settings.memory, lambda *frame: self._sender.is_refused(*frame))
        self._intake = RecordIntake(settings.video, self._streams, lost=self._reader.lost, comparing=self._comparing)
        self._outbox = Outbox(settings.cluster.max_inflight_frames, settings.engine.max_frames_per_step)
        self._delivery = Delivery(settings.cluster.namespace)
        self._gate = RecordGate(
            self._streams,
            self._intake.check,
            self._outbox,
            self._delivery,
            self._reader,
            settings.kafka.frames_topic,
            replay_s=replay_s,
            patience_s=replay_s + _COMMIT_MARGIN_S,
        )
        self._durable = DurableFrames(self._delivery, self._streams)
        self._stream_counts = StreamCounts()
        self._meters = IngestMeters()
        self._rejected = RejectedRecords(self._reader, self._stream_counts, self._meters)
        self._sender = BatchSender(
            self._outbox,
            self._delivery,
            self._rejected,
            self._stream_counts,
            self._meters,
            self._restart,
            self._comparing.need_pictures,
        )
        self._process = uuid4().hex
        self._stopping = threading.Event()
        self._wanted = Assignment()
        self._assignment = Assignment()
        self._topic_partitions: frozenset[int] = frozenset()
        self._trouble: str | None = "connecting to the broker"
        self._counts: Mapping[str, IngestCounts] = {}
        self._owner_news: deque[OwnersChanged] = deque()

    def assign(self, assignment: Assignment) -> None:
        """Read these partitions from now on; an older assignment than the present one changes nothing."""
        if assignment.epoch > self._wanted.epoch:
            self._wanted = assignment

    def owners_changed(self, news: OwnersChanged) -> None:
        """Streams have other owners, of which nothing was heard from their former one."""
        self._owner_news.append(news)

    def health(self) -> IngestHealth:
        """What the loop is doing."""
        trouble = self._trouble
        return IngestHealth(
            running=not self._stopping.is_set(),
            detail=trouble or f"reading {len(self._assignment.partitions)} partitions",
            broker_reachable=trouble is None,
            partitions=self._topic_partitions,
            assignment=self._assignment,
            frames_inflight=self._outbox.frames,
            process=self._process,
            lag_records=self._reader.backlog.records,
            waiting_s=self._reader.backlog.waiting_s(time.time() * 1000),
            streams_left_out=self._stream_counts.left_out,
            doubted=self._sender.doubted,
            counts=self._meters.read(self._reader.records_lost),
        )

    def counts(self) -> Mapping[str, IngestCounts]:
        """What was done for each stream, a fraction of a second old."""
        return self._counts

    def stop(self) -> None:
        """End :meth:`run` soon, with a last commit."""
        self._stopping.set()

    def run(self) -> None:
        """Connect and work; connect anew after the broker was lost, for as long as it takes."""
        kafka = self._settings.kafka
        while not self._stopping.is_set():
            try:
                credentials = CredentialFiles(kafka)
                ensure_topics(kafka)
                with DeadLetterWriter(kafka) as writer, PartitionConsumer(kafka) as consumer:
                    self._serve(consumer, writer, credentials)
            except TransportError as error:
                self._trouble = str(error)
                log.warning("no broker, trying again", error=str(error))
                self._pause(_RECONNECT_S)

    def _serve(self, consumer: PartitionConsumer, writer: DeadLetterWriter, credentials: CredentialFiles) -> None:
        """Work until told to stop, or until there are new credentials to connect with."""
        self._look_at_topic(consumer)
        self._reader.attach(consumer, self._assignment.partitions)
        housekeeping_due_s = 0.0
        while not self._stopping.is_set():
            if self._wanted is not self._assignment:
                self._change_assignment(consumer)
            self._sender.settle(_BUSY_POLL_S if self._outbox.free <= 0 else 0.0)
            self._follow_owners()
            self._rejected.settle(writer)
            self._sender.send()
            self._read(consumer)
            if time.monotonic() >= housekeeping_due_s:
                self._keep_house(consumer)
                if credentials.renewed():
                    break
                housekeeping_due_s = time.monotonic() + _HOUSEKEEPING_S
            self._trouble = None
        self._commit(consumer)

    def _look_at_topic(self, consumer: PartitionConsumer) -> None:
        """Find out which topic this is. One that was created anew is read from its beginning."""
        log_id = consumer.identity_of(self._settings.kafka.frames_topic)
        if self._streams.log not in ("", log_id):
            log.error("the frames topic was created anew, reading it from its beginning", former=self._streams.log)
            self._reader.forget()
            self._rejected.forget()
        self._streams.log = log_id

    def _change_assignment(self, consumer: PartitionConsumer) -> None:
        wanted = self._wanted
        for partition in self._assignment.partitions - wanted.partitions:
            for stream_id in self._streams.on(partition):
                self._restart(stream_id)
        self._streams.forget_awaited()
        self._reader.attach(consumer, wanted.partitions)
        self._assignment = wanted
        log.info("reading partitions", partitions=sorted(wanted.partitions), epoch=wanted.epoch)

    def _restart(self, stream_id: str) -> None:
        """Go back to what is safe of a stream; its owner will say where to go on."""
        log.info("stream restarts", stream_id=stream_id)
        self._delivery.forget(stream_id)
        self._outbox.drop(stream_id)
        self._sender.forget(stream_id)
        for partition in self._streams.forget(stream_id):
            self._reader.rewind(partition)

    def _follow_owners(self) -> None:
        while self._owner_news:
            news = self._owner_news.popleft()
            for stream_id, owner in news.owners.items():
                if self._delivery.goes_to(stream_id, news.former, owner.epoch):
                    self._sender.owner_changed(stream_id, news)

    def _read(self, consumer: PartitionConsumer) -> None:
        """Take records while there is room; waits for the first, so this is where the loop rests."""
        for record in self._gate.due():
            if self._has_room():
                self._admit(record, consumer)
        busy = self._outbox.frames or self._rejected.unconfirmed or self._reader.held
        timeout_s = _BUSY_POLL_S if busy else _IDLE_POLL_S
        while self._has_room() and (record := self._reader.read(consumer, timeout_s)) is not None:
            self._admit(record, consumer)
            timeout_s = 0.0

    def _has_room(self) -> bool:
        return self._outbox.free > 0 and self._rejected.unconfirmed < _MOST_DEAD_LETTERS

    def _admit(self, record: Record, consumer: PartitionConsumer) -> None:
        began_s = time.thread_time()
        try:
            if self._gate.passes(record, consumer):
                self._take(record)
        except EngineError as error:  # no worker has room
            self._reject(record, error)
        finally:
            self._reader.spent(record, time.thread_time() - began_s)

    def _take(self, record: Record) -> None:
        started_s = time.perf_counter()
        try:
            intake = self._intake.open(record)
        except (MessageError, MediaError) as error:
            self._reject(record, error)
        except Exception as error:
            log.exception("unexpected failure of a decoder", partition=record.partition, offset=record.offset)
            self._reject(record, HermesError(f"{type(error).__name__}: {error}"))
        else:
            self._queue(record, intake)
        finally:
            self._meters.record(record.value, time.perf_counter() - started_s)

    def _queue(self, record: Record, intake: Intake) -> None:
        self._reader.begin(record, AwaitedFrame(intake.stream_id, intake.end))
        if intake.mark is None:
            return
        if intake.frames:
            self._outbox.add(intake.stream_id, self._sender.without_guilty(intake.stream_id, intake.frames))
        else:
            bare = QueuedFrame(None, record.timestamp_ms, intake.mark.position, record, intake.mark)
            self._outbox.note(intake.stream_id, bare)
        self._stream_counts.opened(record, intake)
        self._meters.opened(intake)

    def _reject(self, record: Record, error: HermesError) -> None:
        self._rejected.reject(record, error)

    def _keep_house(self, consumer: PartitionConsumer) -> None:
        self._outbox.queue_notes()
        for stream_id in self._durable.survey():
            self._restart(stream_id)
        self._reader.settle(self._durable.holds)
        self._permit.renew()
        self._commit(consumer)
        self._reader.survey(consumer, time.time_ns() // 1_000_000)
        self._rejected.tidy()
        topic = self._settings.kafka.frames_topic
        self._topic_partitions = frozenset(consumer.partitions_for(topic))
        if self._topic_partitions and consumer.identity_of(topic) != self._streams.log:
            raise TransportError(f"topic {topic} was created anew")  # which is for a new consumer to read
        self._counts = self._stream_counts.snapshot(self._reader.backlog, self._outbox.oldest_ms)

    def _commit(self, consumer: PartitionConsumer) -> None:
        if self._permit.is_valid:
            self._reader.commit(consumer)

    def _pause(self, seconds: float) -> None:
        """Wait before connecting again, while frames read before still reach their owners."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and not self._stopping.is_set():
            self._sender.settle(0.0)
            self._follow_owners()
            self._sender.send()
            self._counts = self._stream_counts.snapshot(self._reader.backlog, self._outbox.oldest_ms)
            self._stopping.wait(_BUSY_POLL_S)
