"""Ends an actor's process whose engine is broken; Ray starts another, which recovers."""

import os
from threading import Timer

from hermes_ray.errors import EngineFailed, HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_LAST_WORDS_S = 1.0
"""For the callers to hear that it was the engine: they find out which of their requests it was. And for the
Coordinator, which asks several times a second, to hear that nobody else is to have the streams."""
_EXIT_CODE = 1


def end_if_broken(error: HermesError) -> None:
    """End soon if the engine's thread has failed. The caller goes on to raise the error."""
    if isinstance(error, EngineFailed):
        log.error("the engine failed; the process ends and Ray starts another", error=str(error))
        end = Timer(_LAST_WORDS_S, os._exit, (_EXIT_CODE,))
        end.daemon = True
        end.start()
