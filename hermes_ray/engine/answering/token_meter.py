"""What answers read and write, and when."""

from time import perf_counter

from hermes_ray.observability.distribution import SECONDS, Meter


class TokenMeter:
    """Tokens read and written by answers, and when they came."""

    def __init__(self) -> None:
        self.first = Meter(SECONDS)
        self.next = Meter(SECONDS)
        self.prompt_tokens = 0
        self.answer_tokens = 0

    def came(self, received_s: float, previous_s: float | None) -> float:
        """A token, or a chosen option, is known now.

        Args:
            received_s: ``perf_counter`` when its question came.
            previous_s: ``perf_counter`` at the answer's previous token; ``None`` for the first.

        Returns:
            ``perf_counter`` of this token.
        """
        now_s = perf_counter()
        if previous_s is None:
            self.first.observe(now_s - received_s)
        else:
            self.next.observe(now_s - previous_s)
        return now_s
