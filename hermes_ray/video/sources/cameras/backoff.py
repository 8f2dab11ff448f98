"""How long to wait before trying again."""

import random


class Backoff:
    """Exponential back-off with full jitter.

    The n-th wait is drawn evenly from 0 to ``initial_s`` x 2^n, at most ``max_s``: after an outage, many clients come
    back spread out instead of all at once. (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog.)

    Args:
        initial_s: upper bound of the first wait, seconds.
        max_s: upper bound of every wait, seconds.
        rng: source of the jitter.

    Raises:
        ValueError: unless 0 < ``initial_s`` <= ``max_s``.
    """

    def __init__(self, initial_s: float = 0.5, max_s: float = 30.0, rng: random.Random | None = None) -> None:
        if not 0 < initial_s <= max_s:
            raise ValueError(f"need 0 < initial_s <= max_s, got {initial_s} and {max_s}")
        self._initial_s = initial_s
        self._max_s = max_s
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._bound_s = initial_s

    def next_delay_s(self) -> float:
        """Return the next wait, seconds."""
        delay = self._rng.uniform(0, self._bound_s)
        self._bound_s = min(self._max_s, 2 * self._bound_s)
        return delay

    def reset(self) -> None:
        """Start over after a success."""
        self._bound_s = self._initial_s
