"""What an actor does beside its calls: nobody waits for it, so an error that nobody expected must end the process."""

import os
from collections.abc import Awaitable

from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_EXIT_CODE = 1


async def or_end_process(work: Awaitable[None], what: str) -> None:
    """Do something to its end. If it fails, log that and end the process; Ray starts another.

    Args:
        work: what to do; expected errors it treats itself.
        what: for the log.
    """
    try:
        await work
    except Exception:
        log.exception("it failed; the process ends and Ray starts another", what=what)
        os._exit(_EXIT_CODE)
