"""One camera of the file: published in a thread of its own, and started again when it failed."""

import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hermes_ray.cli.cameras.file import CameraEntry
from hermes_ray.cli.cameras.secrets import resolved
from hermes_ray.cli.publish.packing import MessagePacker, Send, publish_all
from hermes_ray.errors import HermesError, PublishFailed, SourceError
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.cameras.backoff import Backoff
from hermes_ray.video.sources.opening import open_source
from hermes_ray.video.sources.punctual import punctual
from hermes_ray.video.sources.watched import Watched

_LASTS_S = 60.0
"""A camera that ran so long before it failed has earned a quick restart."""


class State(StrEnum):
    """How a camera is."""

    CONNECTING = "connecting"
    PUBLISHING = "publishing"
    AWAY = "away"
    """It is not connected, or sends no picture; its source goes on trying."""
    NO_BROKER = "no broker"
    """The broker did not confirm; the message is sent again."""
    FAILED = "failed"
    """It ended with a fault and is started again after a while."""
    ENDED = "ended"
    """A file or directory is over."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """A camera at one moment.

    Attributes:
        state: how it is.
        reason: why, if it does not publish.
        frames: confirmed by the broker.
        messages: likewise.
        size_bytes: of their payloads.
        left_out: frames left out, by reason.
        reconnects: how often its source connected again.
        restarts: how often it was started again after it had failed.
        newest_ms: capture time of the newest frame, ms since the Unix epoch; ``None`` before the first.
        labels: the user's.
    """

    name: str
    state: State
    reason: str | None
    frames: int
    messages: int
    size_bytes: int
    left_out: Mapping[str, int]
    reconnects: int
    restarts: int
    newest_ms: int | None
    labels: Mapping[str, str]


@dataclass(slots=True)
class _Totals:
    frames: int = 0
    messages: int = 0
    size_bytes: int = 0
    reconnects: int = 0
    restarts: int = 0
    newest_ms: int | None = None
    left_out: Counter[str] = field(default_factory=lambda: Counter({"late": 0, "dropped": 0, "damaged": 0}))


@dataclass(frozen=True, slots=True)
class Publishing:
    """What all cameras share.

    Attributes:
        send: publishes a message; safe to call from any thread.
        directory: relative paths in the file are of it.
        limits: of those who decode the messages.
        max_record_bytes: key, value and headers of a message together.
    """

    send: Send
    directory: Path
    limits: DecodeLimits
    max_record_bytes: int


class Camera:
    """One camera; :meth:`tick` starts it and starts it again, so whoever owns it decides when.

    What its source refers to is read at each start, so a changed password counts from the next one on.

    Args:
        name: its stream id.
        entry: what the file says of it.
        publishing: what all cameras share.
        backoff: waits before it is started again.
    """

    def __init__(self, name: str, entry: CameraEntry, publishing: Publishing, backoff: Backoff | None = None) -> None:
        self.name = name
        self.entry = entry
        self._publishing = publishing
        # A wrong password is no reason to be locked out by the camera: the waits become long.
        self._backoff = backoff or Backoff(5.0, 300.0)
        self._lock = threading.Lock()
        self._state, self._reason = State.CONNECTING, None
        self._totals = _Totals()
        self._watched: Watched | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._began_s = self._due_s = 0.0
        self._error: HermesError | None = None

    @property
    def is_running(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread is not None and self._thread.is_alive()

    def tick(self, now_s: float) -> None:
        """Start it if that is due; notice that it has ended.

        Args:
            now_s: seconds, only going forward.
        """
        if self.is_running or self._stopping or self._state is State.ENDED:
            return
        if self._thread is not None:
            self._thread = None
            if self._error is None:
                self._say(State.ENDED, None)
                return
            self._fail(self._error, now_s)
        if now_s >= self._due_s:
            self._start(now_s)

    def stop(self) -> None:
        """End it; what was being encoded is still sent. Returns at once."""
        with self._lock:
            self._stopping = True
            watched = self._watched
        if watched is not None:
            watched.close()

    def wait(self, timeout_s: float) -> None:
        """Wait for its thread to end."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def status(self) -> CameraStatus:
        """How it is now."""
        with self._lock:
            totals, watched = self._totals, self._watched
            left_out = totals.left_out + Counter(watched.left_out() if watched else {})
            newest_ms = watched.newest_ms if watched else None
            return CameraStatus(
                name=self.name,
                state=self._state,
                reason=self._reason,
                frames=totals.frames,
                messages=totals.messages,
                size_bytes=totals.size_bytes,
                left_out={reason: left_out[reason] for reason in totals.left_out},
                reconnects=totals.reconnects + (watched.reconnects if watched else 0),
                restarts=totals.restarts,
                newest_ms=totals.newest_ms if newest_ms is None else newest_ms,
                labels=self.entry.labels,
            )

    def _start(self, now_s: float) -> None:
        with self._lock:
            self._totals.restarts += self._state is State.FAILED
        self._say(State.CONNECTING, self._reason)
        self._began_s = now_s
        self._thread = threading.Thread(target=self._run, name=f"publish {self.name}", daemon=True)
        self._thread.start()

    def _fail(self, error: HermesError, now_s: float) -> None:
        if now_s - self._began_s > _LASTS_S:
            self._backoff.reset()
        self._due_s = now_s + self._backoff.next_delay_s()
        self._say(State.FAILED, str(error))

    def _run(self) -> None:
        self._error = SourceError("it failed unexpectedly; see the log")
        try:
            self._publish()
            self._error = None
        except HermesError as error:
            self._error = error
        finally:
            self._add_up()

    def _publish(self) -> None:
        entry, shared = self.entry, self._publishing
        source = open_source(
            resolved(entry.source, shared.directory, os.environ),
            fps=entry.fps,
            loop=entry.loop,
            realtime=True,
            limits=shared.limits,
            on_fault=lambda reason: self._say(State.AWAY, reason),
        )
        watched = Watched(source, entry.fps, framing=entry.framing())
        with self._lock:
            if self._stopping:
                return
            self._watched = watched
        packer = MessagePacker(
            self.name,
            entry.encoding,
            entry.fps,
            entry.segment_seconds,
            entry.max_side,
            limits=shared.limits,
            max_record_bytes=shared.max_record_bytes,
        )
        try:
            frames = punctual(watched.frames(self._frame_came), packer.patience_s)
            publish_all(frames, packer, shared.send, self._confirmed, self._not_confirmed)
        finally:
            watched.close()

    def _frame_came(self) -> None:
        if self._state is State.AWAY:
            self._say(State.CONNECTING, None)

    def _confirmed(self, frames: int, size_bytes: int) -> None:
        with self._lock:
            self._totals.frames += frames
            self._totals.messages += 1
            self._totals.size_bytes += size_bytes
            if self._state is not State.AWAY:
                self._state, self._reason = State.PUBLISHING, None

    def _not_confirmed(self, said: str) -> None:
        if self._stopping:
            raise PublishFailed("stopped while the broker did not confirm")
        self._say(State.NO_BROKER, said)

    def _say(self, state: State, reason: str | None) -> None:
        with self._lock:
            self._state, self._reason = state, reason

    def _add_up(self) -> None:
        with self._lock:
            watched, self._watched = self._watched, None
            if watched is not None:
                self._totals.left_out.update(watched.left_out())
                self._totals.reconnects += watched.reconnects
                self._totals.newest_ms = watched.newest_ms or self._totals.newest_ms
