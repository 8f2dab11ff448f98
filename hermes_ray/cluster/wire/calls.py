"""Ray's errors in this package's words, so that only typed errors leave the cluster room."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util import list_named_actors

from hermes_ray.errors import ClusterError, HermesError, WorkerLost, WorkerUnavailable
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

Actor: TypeAlias = Any
"""Handle of one of our actors. Their methods gain ``.remote`` at run time, which no type checker follows."""

RESTART_S = 2.0
"""How long Ray takes to notice a dead actor and to have it back, before the model is loaded; seconds."""


def find_actor(name: str, namespace: str) -> Actor:
    """The named actor.

    Raises:
        WorkerUnavailable: there is none of that name, or not any more.
    """
    try:
        return ray.get_actor(name, namespace=namespace)
    except ValueError as error:
        raise WorkerUnavailable(f"there is no actor {name!r}", retry_after_s=RESTART_S) from error


def actors_of(namespace: str) -> list[str]:
    """Names of our actors, those that are starting or restarting included."""
    listed: Any = list_named_actors(all_namespaces=True)  # declared as names alone, which they are not then
    return [actor["name"] for actor in listed if actor["namespace"] == namespace]


def fetch(ref: Any, actor: str, timeout_s: float | None = None) -> Any:
    """The result of a call, waited for in this thread. Raises as :func:`typed_errors`."""
    with typed_errors(actor):
        return ray.get(ref, timeout=timeout_s)


async def call(name: str, namespace: str, method: str, *args: object, limit_s: float) -> Any:
    """Call a named actor and wait for its answer, ``limit_s`` seconds at most. Raises as :func:`typed_errors`."""
    with typed_errors(name):
        answer = getattr(find_actor(name, namespace), method).remote(*args)
        return await asyncio.wait_for(answer, limit_s)


async def tell(name: str, namespace: str, method: str, *args: object, limit_s: float) -> None:
    """Call a named actor that finds out by itself, later, if this does not reach it."""
    try:
        await call(name, namespace, method, *args, limit_s=limit_s)
    except HermesError as error:
        log.warning("not told", actor=name, what=method, error=str(error))


@contextmanager
def typed_errors(actor: str) -> Iterator[None]:
    """Turn what a call to an actor raises into typed errors.

    Args:
        actor: its name, for the error text.

    Raises:
        HermesError: what the actor itself raised, unwrapped; or with code ``internal`` if it raised anything else.
        WorkerLost: it is dead or restarting.
        WorkerUnavailable: it did not answer in time.
        ClusterError: Ray itself failed.
    """
    try:
        yield
    except RayTaskError as error:
        raise _cause(actor, error) from None
    except RayActorError as error:
        raise WorkerLost(f"{actor} is gone ({type(error).__name__})", retry_after_s=RESTART_S) from error
    except (GetTimeoutError, TimeoutError) as error:
        raise WorkerUnavailable(f"{actor} does not answer ({type(error).__name__})", retry_after_s=RESTART_S) from error
    except RayError as error:
        raise ClusterError(f"calling {actor}: {error}") from error


def _cause(actor: str, error: RayTaskError) -> HermesError:
    if isinstance(error.cause, HermesError):
        return error.cause
    return HermesError(f"{actor} failed: {error.cause!r}")
