"""The demo's cameras: each publishes in a thread of its own."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from hermes_ray.cli.demo import scenario
from hermes_ray.cli.demo.questions import FootageQuestions, QuestionSource, SimulatedQuestions
from hermes_ray.cli.demo.scenario import Scenario
from hermes_ray.cli.publish.packing import Encoding, MessagePacker, Send, publish_all
from hermes_ray.errors import HermesError
from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler
from hermes_ray.video.sources.base import Source
from hermes_ray.video.sources.file import FileSource
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.sources.watched import excerpt


class Camera:
    """One source that publishes to Kafka until it ends or is closed.

    Attributes:
        questions: knows what to ask about it.
        turns: how many questions ``--once`` asks about it.
        frames_published: frames that the broker has confirmed.
        error: why it stopped early, if it did.
    """

    def __init__(
        self, stream_id: str, source: Source, packer: MessagePacker, questions: QuestionSource, turns: int
    ) -> None:
        self.stream_id = stream_id
        self.questions = questions
        self.turns = turns
        self.frames_published = 0
        self.error: HermesError | None = None
        self._source = source
        self._packer = packer
        self._thread: threading.Thread | None = None

    def start(self, send: Send) -> None:
        """Start publishing through ``send``."""
        self._thread = threading.Thread(target=self._run, args=(send,), name=f"camera {self.stream_id}", daemon=True)
        self._thread.start()

    @property
    def is_publishing(self) -> bool:
        """Whether there is more to come."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Stop publishing; what was being encoded is still sent."""
        self._source.close()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, send: Send) -> None:
        try:
            publish_all(self._source.frames(), self._packer, send, self._count)
        except HermesError as error:
            self.error = error

    def _count(self, frames: int, _bytes: int) -> None:
        self.frames_published += frames


def simulated_cameras(plan: Scenario, start_ts_ms: int) -> list[Camera]:
    """Cameras that film different simulated worlds, as raw H.264."""
    return [
        _simulated(f"street-{number + 1}", scenario.FIRST_SEED + number, plan, start_ts_ms)
        for number in range(plan.simulated_cameras)
    ]


def footage_cameras(clips: Sequence[Path], plan: Scenario, start_ts_ms: int) -> list[Camera]:
    """Cameras that play real footage in a loop, as mp4 segments; none if there are no clips.

    Args:
        clips: as :func:`hermes_ray.video.footage.real_footage` returns them.
        plan: how long, and whether in real time.
        start_ts_ms: capture time of the first frame, ms since the Unix epoch.
    """
    return [
        _footage(stream_id, clip, plan, start_ts_ms)
        for stream_id, name in scenario.FOOTAGE.items()
        for clip in clips
        if clip.name == name
    ]


def _simulated(stream_id: str, seed: int, plan: Scenario, start_ts_ms: int) -> Camera:
    source = SimulatedCamera(
        seed,
        fps=scenario.CAMERA_FPS,
        width=scenario.WIDTH_PX,
        height=scenario.HEIGHT_PX,
        realtime=plan.realtime,
        start_ts_ms=start_ts_ms,
        seconds=plan.seconds,
    )
    packer = _packer(stream_id, Encoding.H264)
    return Camera(stream_id, source, packer, SimulatedQuestions(source), scenario.SIMULATED_TURNS)


def _footage(stream_id: str, clip: Path, plan: Scenario, start_ts_ms: int) -> Camera:
    source = FileSource(clip, loop=True, realtime=plan.realtime, start_ts_ms=start_ts_ms, max_side_px=scenario.WIDTH_PX)
    packer = _packer(stream_id, Encoding.MP4)
    return Camera(stream_id, _Excerpt(source, plan.seconds), packer, FootageQuestions(), scenario.FOOTAGE_TURNS)


def _packer(stream_id: str, encoding: Encoding) -> MessagePacker:
    return MessagePacker(stream_id, encoding, scenario.CAMERA_FPS, scenario.SEGMENT_SECONDS, scenario.WIDTH_PX)


class _Excerpt:
    """The beginning of a source at the demo's frame rate; encoding more would be waste."""

    def __init__(self, source: Source, seconds: float | None) -> None:
        self._source = source
        self._seconds = seconds

    def frames(self) -> Iterator[Frame]:
        return excerpt(FrameSampler(scenario.CAMERA_FPS).sample(self._source.frames()), self._seconds)

    def close(self) -> None:
        self._source.close()
