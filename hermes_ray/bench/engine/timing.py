"""Doing something again and again for a time, and the times of an answer's tokens."""

from collections.abc import Iterator
from time import perf_counter

from hermes_ray.bench.engine.watched import LIMIT_S, Watched
from hermes_ray.engine import Answer, AnswerToken


def repeated(seconds: float, *, least: int = 5, most: int = 1_000_000) -> Iterator[int]:
    """Numbers from 0 until the time is over, but at least so many."""
    began_s = perf_counter()
    for number in range(most):
        if number >= least and perf_counter() - began_s > seconds:
            return
        yield number


class TimedAnswer:
    """A question, asked now, and when each token of its answer came.

    Args:
        watched: whom to ask.
        stream: about which stream.
        tokens: of the answer.
    """

    def __init__(self, watched: Watched, stream: int, tokens: int = 1) -> None:
        self._tokens = tokens
        self._token_s: list[float] = []
        self._stream = watched.ask(stream, tokens, on_event=self._note)

    def result(self) -> Answer:
        """The answer, when it is complete."""
        return self._stream.result(LIMIT_S)

    @property
    def between_ms(self) -> list[float]:
        """Times from one token to the next, milliseconds."""
        return [(b - a) * 1000 for a, b in zip(self._token_s, self._token_s[1:], strict=False)]

    def _note(self, event: object) -> None:
        if (
            isinstance(event, AnswerToken) and event.index < self._tokens
        ):  # behind the last only text that was held back
            self._token_s.append(perf_counter())
