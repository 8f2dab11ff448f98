"""A camera that needs no hardware: it films the simulated world and knows the truth about it."""

import threading
import time
from collections.abc import Iterator

from hermes_ray.video.frame import Frame
from hermes_ray.video.world import Condition, Renderer, Traffic, Truth, World


class SimulatedCamera:
    """A source of frames of one simulated world, endless unless ``seconds`` is given.

    The same arguments always give the same pictures; only their pace differs between real time and not.

    Args:
        seed: which world it films.
        fps: frames per second of world time.
        width: picture width, pixels.
        height: picture height, pixels.
        realtime: wait until each frame is due; otherwise yield as fast as the caller takes them.
        start_ts_ms: capture time of the first frame, ms since the Unix epoch; world time 0. By default now.
        seconds: how much world time to film; ``None`` never ends.
        traffic: how busy the world is.
        condition: how the camera sees it; by default well.

    Attributes:
        world: what is filmed.
        truth: what is true in it; times are seconds of world time, see :meth:`world_time_s`.
    """

    def __init__(
        self,
        seed: int,
        *,
        fps: float = 2.0,
        width: int = 320,
        height: int = 240,
        realtime: bool = False,
        start_ts_ms: int | None = None,
        seconds: float | None = None,
        traffic: Traffic | None = None,
        condition: Condition | None = None,
    ) -> None:
        self.world = World(seed, traffic)
        self.truth = Truth(self.world)
        self.start_ts_ms = round(time.time() * 1000) if start_ts_ms is None else start_ts_ms
        self._fps = fps
        self._realtime = realtime
        self._frame_limit = None if seconds is None else round(seconds * fps)
        self._renderer = Renderer(self.world, width, height, condition)
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order, from the first; ends at ``seconds`` or at :meth:`close`."""
        began = time.monotonic()
        index = 0
        while not self._closed.is_set() and (self._frame_limit is None or index < self._frame_limit):
            offset_ms = round(index * 1000 / self._fps)
            if self._realtime and self._closed.wait(max(0.0, began + offset_ms / 1000 - time.monotonic())):
                return
            yield Frame(self._renderer.render(offset_ms / 1000), self.start_ts_ms + offset_ms)
            index += 1

    def world_time_s(self, ts_ms: int) -> float:
        """Return the world time, seconds, of a frame's capture time."""
        return (ts_ms - self.start_ts_ms) / 1000

    def close(self) -> None:
        """Make :meth:`frames` end, also while it waits. Safe from another thread and more than once."""
        self._closed.set()
