"""How long a question waits while frames come as fast as the engine takes them."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread

from hermes_ray.bench.features import ticket
from hermes_ray.bench.figures import Figure, Progress
from hermes_ray.bench.memory.workload import QUESTION, Workload
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.config import EngineSettings
from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import Question, StreamStats

_STREAMS = 4
_FRAMES_BEFORE = 100
_FRAMES_PER_STEP = 16
_WARM_UP_QUESTIONS = 10


def measure(workload: Workload, progress: Progress, *, questions: int) -> Iterator[Figure]:
    """Ask an idle engine, then the same engine with its frame queue never empty."""
    progress(f"{workload.name}: {questions} questions, idle and under full ingest load")
    settings = EngineSettings(max_frames_per_step=_FRAMES_PER_STEP, max_questions=1)
    with StreamEngine(workload.adapter, workload.memory(slots=_STREAMS), settings) as engine:
        for stream in range(_STREAMS):
            _show(engine, stream, range(_FRAMES_BEFORE))
        idle = [_ask(engine, index) for index in range(_WARM_UP_QUESTIONS + questions)][_WARM_UP_QUESTIONS:]
        before = engine.stats().frames_applied
        with _full_load(engine):
            loaded = [_ask(engine, index) for index in range(questions)]
            after = engine.stats().frames_applied
    p50, p99 = median(idle), percentile(loaded, 99)
    yield Figure(
        "loaded_p99_ttft_over_idle_p50",
        workload.name,
        p99 / p50,
        "x",
        detail={
            "idle_p50_ms": p50,
            "idle_p99_ms": percentile(idle, 99),
            "loaded_p50_ms": median(loaded),
            "loaded_p99_ms": p99,
            "questions": questions,
            "streams": _STREAMS,
            "frames_per_step": _FRAMES_PER_STEP,
            "frames_applied_meanwhile": after - before,
        },
        note="a question waits for at most the step that runs when it comes: max_step_ms bounds it",
    )


@contextmanager
def _full_load(engine: StreamEngine) -> Iterator[None]:
    """Keep frames of all streams waiting, from a thread per stream."""
    ended = Event()
    threads = [Thread(target=_feed, args=(engine, stream, ended), daemon=True) for stream in range(_STREAMS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _feed(engine: StreamEngine, stream: int, ended: Event) -> None:
    number = _FRAMES_BEFORE
    waiting = [_hand_over(engine, stream, number)]
    while not ended.is_set():
        number += _FRAMES_PER_STEP
        waiting.append(_hand_over(engine, stream, number))
        waiting.pop(0).result()
    for future in waiting:
        future.result()


def _hand_over(engine: StreamEngine, stream: int, first: int) -> Future[StreamStats]:
    numbers = range(first, first + _FRAMES_PER_STEP)
    return engine.ingest(f"camera-{stream}", [ticket(n) for n in numbers], [n * 500 for n in numbers])


def _show(engine: StreamEngine, stream: int, numbers: range) -> None:
    engine.ingest(f"camera-{stream}", [ticket(n) for n in numbers], [n * 500 for n in numbers]).result()


def _ask(engine: StreamEngine, index: int) -> float:
    return engine.ask(f"camera-{index % _STREAMS}", Question(QUESTION, max_tokens=1)).result().ttft_ms
