"""Long streams: does the time to the first token grow with them, and does the process?

Streams of different lengths in one engine are asked in turns, so that whatever else slows the machine slows all of
them alike, and always at the same fill: a memory just compacted is read faster than a full one, at any age.
"""

import gc
from collections.abc import Iterator, Sequence

import psutil

from hermes_ray.bench.features import ticket
from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.memory.plan import Plan
from hermes_ray.bench.memory.workload import QUESTION, Workload
from hermes_ray.bench.statistics import median
from hermes_ray.config import EngineSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Question

_CHUNK = 64
_WARM_UP_ROUNDS = 3


class _Watcher:
    """One stream of an engine."""

    def __init__(self, engine: StreamEngine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._shown = 0

    def show(self, count: int) -> None:
        """Let the stream go on by some frames."""
        end = self._shown + count
        for first in range(self._shown, end, _CHUNK):
            numbers = range(first, min(first + _CHUNK, end))
            self._engine.ingest(self._name, [ticket(n) for n in numbers], [n * 500 for n in numbers]).result()
        self._shown = end

    def ask(self) -> float:
        """Time to the first token of an answer, milliseconds."""
        return self._engine.ask(self._name, Question(QUESTION, max_tokens=1)).result().ttft_ms

    @property
    def fill(self) -> int:
        """Tokens that a layer holds now."""
        return self._engine.stream_stats(self._name).kv_tokens_per_layer[0]


def measure(workload: Workload, plan: Plan, progress: Progress) -> Iterator[Figure]:
    """Let streams run to different lengths, then ask them in turns."""
    memory = workload.memory(slots=len(plan.stream_frames))
    # One engine: the thread of each further one would bring a pool of torch threads, which get in each other's way.
    with StreamEngine(workload.adapter, memory, EngineSettings(max_questions=1)) as engine:
        watchers = [_Watcher(engine, f"camera-{frames}") for frames in plan.stream_frames]
        resident = _run_longest(workload, watchers[-1], plan.stream_frames, progress)
        for watcher, frames in zip(watchers[:-1], plan.stream_frames[:-1], strict=True):
            progress(f"{workload.name}: a stream of {frames:,} frames")
            watcher.show(frames)
        progress(f"{workload.name}: {plan.questions} questions to each of {len(watchers)} streams, in turns")
        times = _ask_in_turns(watchers, plan.questions)
    yield _flatness(workload, dict(zip(map(str, plan.stream_frames), times, strict=True)))
    yield _growth(workload, resident)


def _run_longest(workload: Workload, watcher: _Watcher, lengths: Sequence[int], progress: Progress) -> dict[str, int]:
    """Resident bytes of the process when the longest stream has each of the lengths; it is asked there too."""
    resident = {}
    shown = 0
    for frames in lengths:
        progress(f"{workload.name}: a stream of {frames:,} frames")
        watcher.show(frames - shown)
        watcher.ask()
        shown = frames
        gc.collect()
        resident[str(frames)] = psutil.Process().memory_info().rss
    return resident


def _ask_in_turns(watchers: Sequence[_Watcher], questions: int) -> list[list[float]]:
    """Behind every further frame of all streams, one question to each, another one first each time."""
    fullest = max(watcher.fill for watcher in watchers)
    for watcher in watchers:
        while watcher.fill != fullest:
            watcher.show(1)
    times: list[list[float]] = [[] for _ in watchers]
    for turn in range(_WARM_UP_ROUNDS + questions):
        for watcher in watchers:
            watcher.show(1)
        for offset in range(len(watchers)):
            index = (turn + offset) % len(watchers)
            taken = watchers[index].ask()
            if turn >= _WARM_UP_ROUNDS:
                times[index].append(taken)
    return times


def _flatness(workload: Workload, times: dict[str, list[float]]) -> Figure:
    medians = {frames: median(values) for frames, values in times.items()}
    return Figure(
        "ttft_growth",
        workload.name,
        max(medians.values()) / min(medians.values()),
        "x",
        Bar(1.10, at_most=True),
        {"median_ttft_ms_after_frames": medians, "questions": {frames: len(v) for frames, v in times.items()}},
        "largest over smallest median time to first token of streams of these lengths, asked in turns at equal fill",
    )


def _growth(workload: Workload, resident: dict[str, int]) -> Figure:
    *_, before, last = resident.values()
    return Figure(
        "resident_memory_growth",
        workload.name,
        last / before,
        "x",
        Bar(1.02, at_most=True),
        {"resident_bytes_after_frames": resident},
        "resident memory of the process when the longest stream ends, over that at the length before",
    )
