"""Whether this cluster may store and deliver events: of those that share a database, the one that owns the streams."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_ROUND_S = 0.5
_AFTER_DEFECT_S = 1.0


class OwnerLease:
    """Runs out by itself where the Coordinator is gone, or cut off from the store that says whose the streams are.

    Counts from when it was asked for, by this process's clock, so a late answer is worth less. For one event loop.

    Args:
        ask: for how long no other cluster can take the streams over, seconds; raises ``HermesError`` where there is no
            answer. ``None``: no other cluster can reach them.
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, ask: Callable[[], Awaitable[float]] | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now_s = now_s
        self._until_s = now_s()

    @property
    def is_valid(self) -> bool:
        """Whether the streams are this cluster's for certain. Any thread may ask."""
        return self._ask is None or self._now_s() < self._until_s

    async def keep(self) -> None:
        """Ask again and again."""
        while self._ask is not None:
            asked_s = self._now_s()
            try:
                self._until_s = asked_s + await self._ask()
            except HermesError as error:
                log.debug("not known whose the streams are", error=str(error))
            except Exception:  # counts as no answer: the lease runs out, and is there again with the next one
                log.exception("asking whose the streams are failed, and is tried again")
                await asyncio.sleep(_AFTER_DEFECT_S)
            await asyncio.sleep(_ROUND_S)
