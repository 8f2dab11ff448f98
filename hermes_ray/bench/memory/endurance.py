"""A long stream: does the time to the first token grow, and does the process?"""

import gc
from collections.abc import Iterator

import psutil

from hermes_ray.bench.features import ticket
from hermes_ray.bench.figures import Bar, Figure, Progress
from hermes_ray.bench.memory.plan import Plan
from hermes_ray.bench.memory.workload import QUESTION, Workload
from hermes_ray.bench.statistics import median
from hermes_ray.config import EngineSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Question

_STREAM = "camera"
_CHUNK = 64
_WARM_UP_QUESTIONS = 10


def measure(workload: Workload, plan: Plan, progress: Progress) -> Iterator[Figure]:
    """Watch one stream to its end, asking on the way."""
    ttft: dict[str, list[float]] = {}
    resident: dict[str, int] = {}
    settings = EngineSettings(max_questions=1)
    with StreamEngine(workload.adapter, workload.memory(), settings) as engine:
        _show(engine, 0, plan.stream_frames[0])
        for _ in range(_WARM_UP_QUESTIONS):
            _ask(engine)
        shown = plan.stream_frames[0]
        for target in plan.stream_frames:
            progress(f"{workload.name}: a stream of {target:,} frames")
            _show(engine, shown, target)
            gc.collect()
            resident[str(target)] = psutil.Process().memory_info().rss
            ttft[str(target)] = []
            # One question behind every further frame: the fill of the memory goes up and down between compactions.
            for shown in range(target + 1, target + 1 + plan.questions):
                _show(engine, shown - 1, shown)
                ttft[str(target)].append(_ask(engine))
    yield _flatness(workload, ttft)
    yield _growth(workload, resident)


def _flatness(workload: Workload, ttft: dict[str, list[float]]) -> Figure:
    medians = {frames: median(values) for frames, values in ttft.items()}
    return Figure(
        "ttft_growth",
        workload.name,
        max(medians.values()) / min(medians.values()),
        "x",
        Bar(1.10, at_most=True),
        {"median_ttft_ms_after_frames": medians, "questions": {frames: len(v) for frames, v in ttft.items()}},
        "largest over smallest median time to first token along one stream",
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
        "resident memory of the process at the end of the stream over that at the moment before",
    )


def _show(engine: StreamEngine, begin: int, end: int) -> None:
    for first in range(begin, end, _CHUNK):
        numbers = range(first, min(first + _CHUNK, end))
        engine.ingest(_STREAM, [ticket(n) for n in numbers], [n * 500 for n in numbers]).result()


def _ask(engine: StreamEngine) -> float:
    return engine.ask(_STREAM, Question(QUESTION, max_tokens=1)).result().ttft_ms
