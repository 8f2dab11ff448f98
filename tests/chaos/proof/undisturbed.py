"""The oracle: one engine in this process that is shown the same frames in peace."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hermes_ray import models
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import WatchedFrames
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.config import Settings, StandingQuestion
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Question, StreamStats
from hermes_ray.memory import snapshot
from hermes_ray.standing.watch import Watch
from hermes_ray.transport.event import Event
from hermes_ray.transport.message import FrameMessage
from hermes_ray.video.codec import DecodeLimits, decode
from hermes_ray.video.sampling import FrameSampler
from tests.patience import LIMIT_S

QUESTION = Question("what happened ?", max_tokens=6)
_AT_ONCE = 16
_CLOSE = 1e-5
FRAME_BY_FRAME = {"max_frames_per_step": 1}
"""Engine settings under which memories can be compared exactly. In batches of other sizes the last bits of a frame come
out differently, and of two tokens that matter alike to within 1e-6 the other may be kept."""


class Selected(NamedTuple):
    """A frame that sampling keeps."""

    image: NDArray[np.uint8]
    ts_ms: int


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What the system answered.

    Attributes:
        at_s: when, on the monotonic clock.
        stream: who was asked.
        frames_seen: frames that the memory had seen, as the answer says.
        as_of_ms: capture time of the newest of them, as it says.
        text: the answer.
    """

    at_s: float
    stream: str
    frames_seen: int
    as_of_ms: int
    text: str


def selected(settings: Settings, messages: Iterable[FrameMessage]) -> list[Selected]:
    """The frames that sampling keeps of a stream, decoded in one go."""
    sampler = FrameSampler(settings.video.target_fps)
    limits = DecodeLimits.from_settings(settings.video)
    kept: list[Selected] = []
    for message in messages:
        frames = decode(
            message.payload,
            message.content_type,
            message.ts_ms,
            limits,
            max_side_px=settings.video.max_side_px,
            select=sampler.keep,
        )
        kept += [Selected(frame.image, frame.ts_ms) for frame in frames]
    return kept


def assert_in_order(frames: Mapping[str, Sequence[Selected]], told: Iterable[tuple[str, int, int]]) -> None:
    """Whatever was told at any moment names the n-th frame of its stream as the n-th: none missing, none twice.

    Args:
        frames: of every stream, all that sampling keeps.
        told: stream, frames seen, and capture time of the newest of them.
    """
    for stream, frames_seen, as_of_ms in told:
        expected = frames[stream][frames_seen - 1].ts_ms
        assert as_of_ms == expected, f"{stream}: frame {frames_seen} is of {as_of_ms}, expected {expected}"


@dataclass(slots=True)
class _Shown:
    """How far one stream is."""

    stats: StreamStats | None = None
    watch: Watch = field(default_factory=Watch)


class Undisturbed:
    """An engine that nothing happens to. Use :func:`undisturbed`.

    Attributes:
        events: by id, what its standing questions and its journal found in what was shown to it.
    """

    def __init__(
        self, settings: Settings, engine: StreamEngine, fingerprint: str, made: Sequence[StandingQuestion]
    ) -> None:
        self._store = SnapshotStore(settings.snapshots)
        self._engine = engine
        self._fingerprint = fingerprint
        rules = StandingRules(settings.standing, None)
        if made:
            rules.learn(Definitions(1, tuple(made)))
        self._watched = WatchedFrames(rules, StandingMeters(), settings.kafka.max_record_bytes)
        self.events: dict[str, Event] = {}

    async def assert_equal(self, frames: Mapping[str, Sequence[Selected]], given: Iterable[GivenAnswer]) -> int:
        """Every answer, whenever it was given, and every memory, at the end, is what it would have been.

        Args:
            frames: of every stream, all that sampling keeps; the newest snapshot must hold them all.
            given: answers of the system.

        Returns:
            How many answers were compared.
        """
        answers = list(given)
        assert_in_order(frames, ((answer.stream, answer.frames_seen, answer.as_of_ms) for answer in answers))
        for stream, shown in frames.items():
            await self._compare_answers(stream, shown, [answer for answer in answers if answer.stream == stream])
            self._compare_memory(stream)
        return len(answers)

    async def _compare_answers(self, stream: str, frames: Sequence[Selected], answers: list[GivenAnswer]) -> None:
        said: dict[int, set[str]] = {}
        for answer in answers:
            said.setdefault(answer.frames_seen, set()).add(answer.text)
        shown = _Shown()
        for frames_seen in [*sorted(said), len(frames)]:
            await self._show(stream, frames[:frames_seen], shown)
            if frames_seen in said:
                assert said[frames_seen] == {self._answer(stream)}, f"{stream} at frame {frames_seen}"

    async def _show(self, stream: str, frames: Sequence[Selected], shown: _Shown) -> None:
        """All of these frames that it has not seen yet."""
        while some := frames[(seen := shown.stats.frames_seen if shown.stats else 0) : seen + _AT_ONCE]:
            images, ts_ms = [frame.image for frame in some], [frame.ts_ms for frame in some]
            result = await self._watched.apply(self._engine, stream, images, ts_ms, shown.watch, shown.stats)
            assert not result.applied.refused, f"{stream}: {result.applied.refused}"
            shown.stats, shown.watch = result.applied.stats, Watch(result.triggers or {})
            self.events |= {event.id: event for event in result.events}

    def _compare_memory(self, stream: str) -> None:
        """Kept tokens are the same in every layer, and so is what they hold; also in a memory that goes on from it."""
        stored = self._store.read(stream, self._store.names(stream)[0])
        found = snapshot.load(stored, self._fingerprint).view
        expected = snapshot.load(self._engine.snapshot(stream), self._fingerprint).view
        for identity in ("frames", "patches", "counts", "positions"):
            assert torch.equal(getattr(found, identity), getattr(expected, identity)), f"{stream}: other {identity}"
        for content in ("keys", "values"):
            torch.testing.assert_close(
                getattr(found, content),
                getattr(expected, content),
                rtol=_CLOSE,
                atol=_CLOSE,
                msg=lambda text, at=f"{stream}: {content}": f"{at}: {text}",
            )
        revived = f"{stream}-revived"
        self._engine.restore(revived, stored)
        assert self._answer(revived) == self._answer(stream), f"{stream} after a restore"
        self._engine.drop(revived)

    def _answer(self, stream: str) -> str:
        return self._engine.ask(stream, QUESTION).result(LIMIT_S).text


@contextmanager
def undisturbed(settings: Settings, streams: int, *made: StandingQuestion) -> Iterator[Undisturbed]:
    """An engine with the cluster's model and memories, and a slot for every stream.

    Args:
        settings: of the cluster.
        streams: how many will be shown.
        made: standing questions beside those of the settings, made before the first frame.
    """
    memory = settings.memory.model_copy(update={"slots": streams + 1, "spill_directory": None})
    adapter = models.load(settings.model.name, device="cpu")
    with StreamEngine(adapter, memory, settings.engine) as engine:
        yield Undisturbed(settings, engine, models.fingerprint(adapter.decoder), made)
