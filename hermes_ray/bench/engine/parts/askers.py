"""Many who ask again as soon as they have their answer."""

from collections.abc import Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from time import perf_counter

from hermes_ray.bench.engine.bench import Bench, Level
from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import median, percentile
from hermes_ray.engine import Answer

_WARM_UP_SHARE = 0.25


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """Answers, tokens and first tokens at every level."""
    for askers in bench.plan.askers:
        bench.doing(f"{askers} askers")
        level = _level(bench, watched, askers)
        bench.levels.append(level)
        yield bench.figure(
            f"answers_at_{askers}",
            len(level.first_token_ms) / level.seconds,
            "answers/s",
            {
                "tokens_per_s": level.tokens / level.seconds,
                "first_token_p50_ms": median(level.first_token_ms),
                "first_token_p99_ms": percentile(level.first_token_ms, 99),
                "answers": len(level.first_token_ms),
                "seconds": level.seconds,
            },
            f"answers of {bench.plan.level_tokens} tokens; no frames meanwhile",
        )


def _level(bench: Bench, watched: Watched, askers: int) -> Level:
    done: SimpleQueue[Future[Answer]] = SimpleQueue()

    def ask() -> None:
        answer = watched.ask(watched.next_stream(), bench.plan.level_tokens)
        answer.outcome.add_done_callback(done.put)

    for _ in range(askers):
        ask()
    counted_from_s = perf_counter() + _WARM_UP_SHARE * bench.plan.seconds
    until_s = counted_from_s + bench.plan.seconds
    answers: list[Answer] = []
    while True:
        answer = done.get(timeout=LIMIT_S).result()
        now_s = perf_counter()
        if now_s >= counted_from_s:
            answers.append(answer)
        if now_s >= until_s and len(answers) >= askers:  # a slow machine goes on until there is one for everybody
            break
        ask()
    for _ in range(askers - 1):
        done.get(timeout=LIMIT_S)
    times = tuple(answer.ttft_ms for answer in answers)
    tokens = sum(answer.completion_tokens for answer in answers)
    return Level(bench.mode, askers, now_s - counted_from_s, times, tokens)
