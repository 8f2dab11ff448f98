"""Several questions at the same moment."""

from collections.abc import Iterator

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import TimedAnswer, repeated
from hermes_ray.bench.engine.watched import Watched
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """One question and several ones in turns, each about another stream; and all about the same."""
    count = bench.plan.together
    bench.doing(f"{count} questions at once")
    alone, last, same = [], [], []
    for turn in repeated(bench.plan.seconds, least=6):
        one = TimedAnswer(watched, watched.next_stream()).result().ttft_ms
        several = _last_ms([TimedAnswer(watched, watched.next_stream()) for _ in range(count)])
        stream = watched.next_stream()
        one_stream = _last_ms([TimedAnswer(watched, stream) for _ in range(count)])
        if turn > 0:
            alone.append(one)
            last.append(several)
            same.append(one_stream)
    detail = {"alone_ms": median(alone), "last_ms": median(last), "last_of_one_stream_ms": median(same)}
    detail["turns"] = len(alone)
    note = "time to first token of the last one that is answered, each about another stream"
    yield bench.figure(f"ttft_last_of_{count}", median(last), "ms", detail, note)
    yield bench.figure(f"ttft_last_of_{count}_one_stream", median(same), "ms", detail, "all about the same stream")
    yield bench.figure(f"ttft_last_of_{count}_over_alone", median(last) / median(alone), "x", detail, note)


def _last_ms(answers: list[TimedAnswer]) -> float:
    return max(answer.result().ttft_ms for answer in answers)
