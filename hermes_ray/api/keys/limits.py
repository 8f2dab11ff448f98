"""What one caller may use up: requests per second, places for questions, and memories on their way in or out."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.config import LimitSettings
from hermes_ray.errors import RateLimited


class RequestRates:
    """A token bucket per caller: it fills with ``requests_per_s`` up to ``burst``, and each request takes one out.

    Args:
        limits: rate and burst.
        now_s: a monotonic clock, seconds.
    """

    def __init__(self, limits: LimitSettings, now_s: Callable[[], float] = time.monotonic) -> None:
        self._rate = limits.requests_per_s
        self._burst = float(limits.burst)
        self._now_s = now_s
        self._buckets: dict[Caller, tuple[float, float]] = {}
        """Tokens, and when there were so many. One for each key, and two for callers without."""

    def take(self, caller: Caller) -> None:
        """Count one request.

        Raises:
            RateLimited: it is one too many; says when the next may come.
        """
        now_s = self._now_s()
        tokens, since_s = self._buckets.get(caller, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - since_s) * self._rate)
        if tokens < 1:
            raise RateLimited(
                f"{caller}: more than {self._rate:g} requests per second (api.limits.requests_per_s)",
                retry_after_s=(1 - tokens) / self._rate,
            )
        self._buckets[caller] = tokens - 1, now_s


class Place:
    """One question's place."""

    def __init__(self, leave_the_line: Callable[[], None]) -> None:
        self._leave_the_line: Callable[[], None] | None = leave_the_line

    def begun(self) -> None:
        """The answer has begun, so the question waits no more."""
        if self._leave_the_line is not None:
            self._leave_the_line()
            self._leave_the_line = None


class QuestionPlaces:
    """How many questions each caller has in progress, and how many of them wait for a moment to come.

    Args:
        limits: of each caller.
        most: questions that each may have in progress.
    """

    def __init__(self, limits: LimitSettings, most: int) -> None:
        self._limits = limits
        self._most = most
        self._questions: Counter[str] = Counter()
        self._ahead: Counter[str] = Counter()

    @contextmanager
    def taken(self, caller: Caller, *, ahead: bool) -> Iterator[Place]:
        """Hold a place while the block runs.

        Args:
            caller: who asks.
            ahead: the question waits for a moment (``as_of``).

        Raises:
            RateLimited: the caller has no place left.
        """
        self._check(caller, self._questions, self._most, "questions at once (api.limits.questions)")
        if ahead:
            name = "questions that wait for a moment (api.limits.questions_ahead)"
            self._check(caller, self._ahead, self._limits.questions_ahead, name)
        self._questions[caller.id] += 1
        self._ahead[caller.id] += ahead
        place = Place(lambda: self._leave(self._ahead, caller, ahead))
        try:
            yield place
        finally:
            place.begun()
            self._leave(self._questions, caller, True)

    def _check(self, caller: Caller, counts: Counter[str], most: int, what: str) -> None:
        if counts[caller.id] >= most:
            raise RateLimited(f"{caller} has {most} {what} already")

    def _leave(self, counts: Counter[str], caller: Caller, one: bool) -> None:
        counts[caller.id] -= one


class TransferPlaces:
    """How many memories each caller exports or imports at the moment: whoever reads slowly keeps no place of others.

    Args:
        limits: of each caller.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._most = limits.transfers
        self._taken: Counter[str] = Counter()

    def take(self, caller: Caller) -> Callable[[], None]:
        """Take a place; returns what gives it back.

        Raises:
            RateLimited: the caller has no place left.
        """
        if self._taken[caller.id] >= self._most:
            raise RateLimited(
                f"{caller} exports or imports {self._most} memories already (api.limits.transfers)", retry_after_s=5.0
            )
        self._taken[caller.id] += 1
        held = [caller.id]

        def give_back() -> None:
            if held:
                self._taken[held.pop()] -= 1

        return give_back
