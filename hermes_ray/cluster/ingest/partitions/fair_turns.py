"""Which partition is read next, so that one whose records are dear takes no more of the processor than the others."""

from collections.abc import Iterable


class FairTurns:
    """Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over partitions of equal weight. For one thread.

    A partition that was idle gets the next turn, and saves up no claims meanwhile.
    """

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self._finish_s: dict[int, float] = {}

    def next(self, waiting: Iterable[int]) -> int:
        """The partition whose turn it is: the one with the least time spent on it, of equals the first.

        Args:
            waiting: partitions that have a record to take, at least one.
        """
        turn = min(waiting, key=self._start_s)
        self._virtual_s = self._start_s(turn)
        return turn

    def spent(self, partition: int, seconds: float) -> None:
        """A record of a partition took so much processor time."""
        self._finish_s[partition] = self._start_s(partition) + seconds

    def _start_s(self, partition: int) -> float:
        return max(self._finish_s.get(partition, 0.0), self._virtual_s)
