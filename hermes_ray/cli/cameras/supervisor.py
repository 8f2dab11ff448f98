"""All cameras of a file: they come, go and change as it does, without a restart of the others."""

import time
from collections.abc import Callable
from pathlib import Path

from hermes_ray.cli.cameras.camera import Camera, CameraStatus
from hermes_ray.cli.cameras.file import CameraEntry, CamerasFile
from hermes_ray.cli.cameras.reading import parse_cameras, read_cameras
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.keeper import StandingKeeper, StandingStatus
from hermes_ray.errors import ConfigError

_STOP_LIMIT_S = 10.0


class Supervisor:
    """Owner of the cameras. Call everything in one thread; only the statuses may be asked for in another.

    One thread per camera, not a process: decoding, scaling and encoding are libav's, which lets other threads run
    meanwhile, and all cameras share one connection to Kafka.

    Args:
        path: the file.
        make: makes a camera, not started.
        shard: which of the file's cameras are this process's.
        clock: seconds, only going forward.
        standing: is told of the file's standing questions; ``None``: nobody is.

    Attributes:
        file_error: what is wrong with the file since it was changed; ``None`` if it is what runs.
        changes: how often a changed file was taken over.

    Raises:
        ConfigError: see :func:`~hermes_ray.cli.cameras.reading.read_cameras`; or it has standing questions, and nothing
            says which system is to ask them.
    """

    def __init__(
        self,
        path: Path,
        make: Callable[[str, CameraEntry], Camera],
        shard: Shard = WHOLE_FILE,
        clock: Callable[[], float] = time.monotonic,
        standing: StandingKeeper | None = None,
    ) -> None:
        self.file_error: str | None = None
        self.changes = 0
        self._path = path
        self._make = make
        self._shard = shard
        self._clock = clock
        self._standing = standing
        self._cameras: dict[str, Camera] = {}
        self._leaving: list[Camera] = []
        self._text = _text_of(path)
        self._take_over(read_cameras(path))

    def tick(self) -> None:
        """Follow the file, and start what is to be started. Does not wait."""
        self._follow_file()
        self._leaving = [camera for camera in self._leaving if camera.is_running]
        still_there = {camera.name for camera in self._leaving}
        for name, camera in self._cameras.items():
            if name not in still_there:  # two at once would mix the frames of one stream
                camera.tick(self._clock())

    def statuses(self) -> list[CameraStatus]:
        """How every camera is, in the file's order."""
        return [camera.status() for camera in tuple(self._cameras.values())]

    def standing_status(self) -> StandingStatus:
        """How their standing questions are."""
        return StandingStatus() if self._standing is None else self._standing.status()

    def close(self) -> None:
        """End all cameras and wait a few seconds for them."""
        cameras = [*self._cameras.values(), *self._leaving]
        for camera in cameras:
            camera.stop()
        end_s = time.monotonic() + _STOP_LIMIT_S
        for camera in cameras:
            camera.wait(max(0.0, end_s - time.monotonic()))

    def _follow_file(self) -> None:
        # Its content, not its time: editors and Kubernetes put another file in its place.
        text = _text_of(self._path)
        if text == self._text:
            return
        self._text = text
        try:
            self._take_over(read_cameras(self._path) if text is None else parse_cameras(text, str(self._path)))
        except ConfigError as error:
            self.file_error = str(error)
            return
        self.file_error = None
        self.changes += 1

    def _take_over(self, file: CamerasFile) -> None:
        if self._standing is not None:
            self._standing.follow(file)
        former, cameras = self._cameras, {}
        for name, entry in file.entries(self._shard).items():
            kept = former.get(name)
            cameras[name] = kept if kept is not None and kept.entry.publishes_as(entry) else self._make(name, entry)
        self._cameras = cameras
        for name, camera in former.items():
            if cameras.get(name) is not camera:
                camera.stop()
                self._leaving.append(camera)


def _text_of(path: Path) -> str | None:
    """The file's text; ``None`` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
