"""The cameras of a file beside other things that a command runs."""

from pathlib import Path

from hermes_ray.cli.cameras.camera import Camera, CameraStatus, Publishing, State
from hermes_ray.cli.cameras.file import CameraEntry
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.keeper import StandingKeeper
from hermes_ray.cli.cameras.supervisor import Supervisor
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import Settings
from hermes_ray.observability.logs import get_logger
from hermes_ray.video.codec import DecodeLimits


def start_cameras(
    path: Path, settings: Settings, lifecycle: Lifecycle, standing: StandingKeeper, shard: Shard = WHOLE_FILE
) -> Supervisor:
    """Connect to the broker and make the cameras; they start at the supervisor's first tick.

    Args:
        path: the file of cameras.
        settings: where to publish, and what consumers take.
        lifecycle: ends them.
        standing: has their standing questions asked.
        shard: which of the file's cameras are this process's.

    Raises:
        BrokerUnavailable: no broker answers.
        ConfigError: see :class:`Supervisor`.
    """
    from hermes_ray.transport.producer import FrameProducer

    producer = FrameProducer(settings.kafka)
    lifecycle.at_end(producer.close)
    limits = DecodeLimits.from_settings(settings.video)
    shared = Publishing(producer.send, path.absolute().parent, limits, settings.kafka.max_record_bytes)

    def make(name: str, entry: CameraEntry) -> Camera:
        return Camera(name, entry, shared)

    lifecycle.at_end(standing.close)
    supervisor = Supervisor(path, make, shard, standing=standing)
    lifecycle.at_end(supervisor.close)
    return supervisor


class Changes:
    """Tells in the log what has become different with the cameras."""

    def __init__(self) -> None:
        self._log = get_logger("hermes_ray.cameras")
        self._states: dict[str, tuple[State, str | None]] = {}
        self._file_error: str | None = None

    def follow(self, supervisor: Supervisor) -> None:
        """Let the supervisor do what is due, then write a line for every camera whose state or reason is another."""
        supervisor.tick()
        self._tell(supervisor.statuses(), supervisor.file_error)

    def _tell(self, statuses: list[CameraStatus], file_error: str | None) -> None:
        for status in statuses:
            if status.state is State.CONNECTING and status.name in self._states:
                continue  # again, and again: how that ends is told, if it ends differently
            now = (status.state, status.reason)
            if self._states.get(status.name) != now:
                self._states[status.name] = now
                is_well = status.state in (State.CONNECTING, State.PUBLISHING, State.ENDED)
                write = self._log.info if is_well else self._log.warning
                write(f"camera {status.state}", stream_id=status.name, **({"reason": now[1]} if now[1] else {}))
        for name in self._states.keys() - {status.name for status in statuses}:
            del self._states[name]
            self._log.info("camera removed", stream_id=name)
        if file_error != self._file_error:
            self._file_error = file_error
            if file_error is not None:
                self._log.error("the changed file is not used, the cameras go on as before", reason=file_error)
