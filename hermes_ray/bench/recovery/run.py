"""One run: cameras and users on a system that runs, fault after fault, and a last count of frames."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from time import time
from types import TracebackType
from typing import Self

from hermes_ray.bench.figures import Bar, Figure
from hermes_ray.bench.recovery import results
from hermes_ray.bench.recovery.cameras import Cameras
from hermes_ray.bench.recovery.injector import FaultInjector
from hermes_ray.bench.recovery.load_generator import LoadGenerator
from hermes_ray.bench.recovery.measures import Measured, measure
from hermes_ray.bench.recovery.plan import Kind, Plan
from hermes_ray.bench.recovery.timeline import excess_frames
from hermes_ray.config import Settings

SCHEMA = "hermes-bench-recovery/1"


class RecoveryRun:
    """Everything of one run. Leaving the ``with`` block ends cameras and users, at any moment.

    Args:
        plan: how much.
        settings: of the system, which runs and which nobody else uses; see :meth:`Plan.settings`.
        url: of its API.
    """

    def __init__(self, plan: Plan, settings: Settings, url: str) -> None:
        self._plan = plan
        self._cameras = Cameras(settings.kafka, plan.stream_ids(), plan.fps)
        self._load_generator = LoadGenerator(url, self._cameras.grids, plan.question_every_s)
        self._injector = FaultInjector(plan, settings, self._cameras, self._load_generator, url)
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        for part in (self._cameras, self._load_generator):
            self._ending.callback(part.close)
            part.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ending.close()

    def measure_faults(self, doing: Callable[[str], None]) -> Iterator[Measured]:
        """Inject faults as planned; each one comes when the system is at rest behind it.

        Args:
            doing: told what comes next.

        Raises:
            HermesError: the system did not become itself again.
        """
        for kind, number in self._plan.rounds():
            doing(f"{kind} {number + 1} of {self._plan.faults}")
            fault = self._injector.inject(kind, number)
            self._injector.wait_until_settled()
            yield measure(fault, self._load_generator.arrivals, self._load_generator.replies, time())

    def last_count(self) -> Figure:
        """Stop the cameras and hold every memory against what was published.

        Raises:
            HermesError: the last frames do not arrive.
        """
        self._cameras.close()
        self._injector.wait_until_all_seen()
        streams = self._plan.stream_ids()
        published = {stream: self._cameras.published(stream) for stream in streams}
        seen = {stream.id: stream.frames_seen for stream in self._injector.look()}
        answers = [
            excess
            for stream in streams
            for excess in excess_frames(self._cameras.grids[stream], self._load_generator.replies[stream])
        ]
        return Figure(
            "frames_amiss_at_end",
            "whole run" if Kind.MEMORY_WAITS not in self._plan.kinds else Kind.MEMORY_WAITS,
            sum(abs(published[stream] - seen.get(stream, 0)) for stream in streams),
            "frames",
            Bar(0, at_most=True),
            {"published": sum(published.values()), "answers": len(answers), "answers_amiss": sum(map(bool, answers))},
            note="published against seen by the memories, when all has come to rest",
        )


def all_figures(measured: Sequence[Measured]) -> list[Figure]:
    """The figures of every kind, in the plan's order."""
    order = list(Kind)
    by_kind = groupby(sorted(measured, key=lambda each: order.index(each.fault.kind)), key=lambda each: each.fault.kind)
    return [figure for kind, faults in by_kind for figure in results.figures(kind, list(faults))]
