"""How long a question waits while frames come as fast as the engine takes them."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import TimedAnswer, repeated
from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.engine.contracts import StreamStats

_ROUNDS_AHEAD = 3
_WARM_UP = 5


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """Ask an idle engine, then the same engine with frames of all streams waiting at any moment."""
    bench.doing("questions to an idle engine")
    idle = _ask(bench, watched, bench.plan.seconds)
    bench.doing("questions while frames come")
    with _full_load(watched):
        before, began_s = watched.engine.stats().frames_applied, perf_counter()
        loaded = _ask(bench, watched, 2 * bench.plan.seconds)
        per_s = (watched.engine.stats().frames_applied - before) / (perf_counter() - began_s)
    p50, p99 = median(idle), percentile(loaded, 99)
    yield bench.figure(
        "loaded_p99_ttft_over_idle_p50",
        p99 / p50,
        "x",
        {
            "idle_p50_ms": p50,
            "idle_p99_ms": percentile(idle, 99),
            "loaded_p50_ms": median(loaded),
            "loaded_p99_ms": p99,
            "questions": len(loaded),
            "streams": watched.streams,
            "frames_per_s_meanwhile": per_s,
        },
        "questions one after the other; each waits for at most the step that runs when it comes",
    )


def _ask(bench: Bench, watched: Watched, seconds: float) -> list[float]:
    times = [
        TimedAnswer(watched, watched.next_stream()).result().ttft_ms for _ in repeated(seconds, least=2 * _WARM_UP)
    ]
    return times[_WARM_UP:]


@contextmanager
def _full_load(watched: Watched) -> Iterator[None]:
    """Keep frames of all streams waiting, from a thread of its own."""
    ended = Event()
    failed: list[Exception] = []
    thread = Thread(target=_feed, args=(watched, ended, failed), name="cameras", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    for error in failed:
        raise error


def _feed(watched: Watched, ended: Event, failed: list[Exception]) -> None:
    ahead: deque[list[Future[StreamStats]]] = deque()
    try:
        while not ended.is_set():
            if len(ahead) == _ROUNDS_AHEAD:
                for frame in ahead.popleft():
                    frame.result(LIMIT_S)
            ahead.append(watched.show_all())
        for frame in (frame for waiting in ahead for frame in waiting):
            frame.result(LIMIT_S)
    except Exception as error:
        failed.append(error)
        raise
