"""Which seat a question takes, and what the seats still hold of the memories that they were copied from."""

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class _Held:
    of: Hashable = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """A seat, and what of the memory need not be copied into it anew.

    Attributes:
        seat: the seat.
        own: the first tokens of the memory that it holds itself.
        source: a seat that holds more of them.
        shared: how many of the first tokens that one holds.
    """

    seat: int
    own: int
    source: int
    shared: int


class Seats:
    """A copy outlives its question until its seat is needed, so the next question about that memory finds it there.

    Args:
        count: seats.
    """

    def __init__(self, count: int) -> None:
        self._held = [_Held() for _ in range(count)]
        self._free = list(range(count))

    @property
    def free(self) -> int:
        """Seats that can be taken."""
        return len(self._free)

    def take(self, of: Hashable, tokens: int) -> Taken:
        """Take a free seat: one that holds the same memory, or else the one given back longest ago.

        Args:
            of: the memory. As long as it stays the same, it only grows; ``None`` if that is not known.
            tokens: how many it has now.
        """
        holding = [seat for seat, held in enumerate(self._held) if of is not None and held.of == of]
        seat = max((seat for seat in self._free if seat in holding), key=self._tokens, default=self._free[0])
        source = max(holding, key=self._tokens, default=seat)
        own = self._held[seat].tokens if seat in holding else 0
        shared = self._held[source].tokens if holding else 0
        self._free.remove(seat)
        self._held[seat] = _Held(of, tokens)
        return Taken(seat, own, source, shared)

    def forget(self, seat: int) -> None:
        """What a seat holds cannot be relied on."""
        self._held[seat] = _Held()

    def give_back(self, seat: int) -> None:
        """A seat is free."""
        self._free.append(seat)

    def _tokens(self, seat: int) -> int:
        return self._held[seat].tokens
