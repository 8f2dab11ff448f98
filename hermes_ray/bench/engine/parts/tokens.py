"""How fast answers are written."""

from collections.abc import Iterator

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.timing import TimedAnswer, repeated
from hermes_ray.bench.engine.watched import Watched
from hermes_ray.bench.engine.work import token_bytes
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median
from hermes_ray.errors import NotMeasurable


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """Times from one token to the next, of one answer and of several that are written together."""
    for count in (1, bench.plan.together):
        bench.doing(f"{count} answers at once")
        between: list[float] = []
        for turn in repeated(bench.plan.seconds, least=3):
            answers = [TimedAnswer(watched, watched.next_stream(), bench.plan.answer_tokens) for _ in range(count)]
            for answer in answers:
                answer.result()
            if turn > 0:
                between += [each for answer in answers for each in answer.between_ms]
        if not between:
            raise NotMeasurable(f"{bench.subject.adapter.name} ends its answers before their second token")
        each_ms = median(between)
        name = "token_alone" if count == 1 else f"token_of_{count}"
        detail = {"tokens_per_s": count * 1000 / each_ms, "answers_at_once": count, "tokens": len(between)}
        yield bench.figure(name, each_ms, "ms", detail, "median time from one token of an answer to its next")
        yield from _compared(bench, watched, name, each_ms, count)


def _compared(bench: Bench, watched: Watched, name: str, each_ms: float, count: int) -> Iterator[Figure]:
    if bench.rates is not None:
        read = token_bytes(bench.subject, watched.tokens(), count)
        share = 100 * read / (each_ms / 1000) / bench.rates.copy_bytes_per_s
        detail = {"bytes": read, "achieved_bytes_per_s": read / (each_ms / 1000)}
        note = "weights and caches that a token reads, over its time, over the measured bandwidth of a copy"
        yield bench.figure(f"bandwidth_share_of_{name}", share, "%", detail, note)
    if count == 1 and (theirs := bench.alone_ms.get("token")) is not None:
        detail = {"token_ms": each_ms, "transformers_token_ms": theirs}
        yield bench.figure("token_speedup_over_transformers", theirs / each_ms, "x", detail)
