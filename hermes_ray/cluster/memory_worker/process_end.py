"""Ends an actor's process whose engine is broken; Ray starts another, which recovers."""

import os

from hermes_ray.errors import EngineError, HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


def end_if_broken(error: HermesError) -> None:
    """End if the engine's thread has failed: from then on it raises the base class of its errors."""
    if type(error) is EngineError:
        log.error("the engine failed; the process ends and Ray starts another", error=str(error))
        os._exit(1)
