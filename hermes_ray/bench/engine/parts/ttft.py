"""One question to an engine that does nothing else."""

from collections.abc import Iterator

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import TimedAnswer, repeated
from hermes_ray.bench.engine.watched import Watched
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median, percentile

_WARM_UP = 3


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """Ask about streams in turn, so that every memory must be copied; then about the same one again."""
    bench.doing("one question at a time")
    for _ in range(_WARM_UP):
        TimedAnswer(watched, watched.next_stream()).result()
    first, again = [], []
    for _ in repeated(bench.plan.seconds):
        stream = watched.next_stream()
        first.append(TimedAnswer(watched, stream).result().ttft_ms)
        again.append(TimedAnswer(watched, stream).result().ttft_ms)
    found = {
        "p99_ms": percentile(first, 99),
        "same_stream_again_ms": median(again),
        "questions": len(first),
        "held_tokens": watched.tokens(),
    }
    value = median(first)
    yield bench.figure("ttft_alone", value, "ms", found, "no seat holds the memory that is asked about")
    if (theirs := bench.alone_ms.get("ttft")) is not None:
        detail = {"ttft_ms": value, "transformers_ttft_ms": theirs}
        yield bench.figure("ttft_speedup_over_transformers", theirs / value, "x", detail)
