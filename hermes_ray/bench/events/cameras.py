"""Simulated cameras in front of one engine, with the memory worker's own way of putting standing questions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hermes_ray.bench.accuracy.footage import TRAFFIC
from hermes_ray.cluster.memory_worker.frames.standing_rules import StandingRules
from hermes_ray.cluster.memory_worker.frames.watched_frames import WatchedFrames
from hermes_ray.cluster.memory_worker.meters import StandingMeters
from hermes_ray.config import JournalSettings, KafkaSettings, StandingQuestion, StandingSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import StreamStats
from hermes_ray.standing.watch import Watch
from hermes_ray.transport.event import Event
from hermes_ray.video.world import Renderer, World

FIRST_SEED = 7_100_000_000
"""Worlds have the seeds from here on; training and other benchmarks use others."""
_SIDE_PX = 72


class Watcher:
    """Puts the same standing questions to several streams of an engine.

    Args:
        engine: has the streams.
        questions: none for streams that are only watched.
        journal: what is written down of them; nothing by default.
    """

    def __init__(
        self, engine: StreamEngine, questions: Sequence[StandingQuestion], journal: JournalSettings | None = None
    ) -> None:
        self.engine = engine
        self.meters = StandingMeters()
        settings = StandingSettings(questions=tuple(questions), journal=journal or JournalSettings())
        rules = StandingRules(settings, None)
        self.frames = WatchedFrames(rules, self.meters, KafkaSettings().max_record_bytes)


class Camera:
    """One stream.

    Args:
        watcher: whose.
        number: of the camera.
    """

    def __init__(self, watcher: Watcher, number: int) -> None:
        self.stream = f"cam-{number}"
        self.world = World(FIRST_SEED + number, TRAFFIC["busy"])
        self._watcher = watcher
        self._renderer = Renderer(self.world, _SIDE_PX, _SIDE_PX)
        self._watch = Watch()
        self._stats: StreamStats | None = None

    def film(self, times_s: Sequence[float]) -> list[NDArray[np.uint8]]:
        """Pictures at some world times, ``[72, 72, 3]`` uint8 each."""
        return [self._renderer.render(t_s) for t_s in times_s]

    async def show(self, images: Sequence[NDArray[np.uint8]], times_s: Sequence[float]) -> list[Event]:
        """Bring pictures of some world times into the memory; returns what was found."""
        ts_ms = [round(1000 * t_s) for t_s in times_s]
        frames, engine = self._watcher.frames, self._watcher.engine
        watched = await frames.apply(engine, self.stream, images, ts_ms, self._watch, self._stats)
        self._stats = watched.applied.stats or self._stats
        if watched.triggers is not None:
            self._watch = Watch(watched.triggers)
        return watched.events
