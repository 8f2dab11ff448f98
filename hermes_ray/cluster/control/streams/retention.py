"""For how long each stream may be silent, as the streams' owners say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from math import inf

from hermes_ray.cluster.control.streams.directory import StreamDirectory
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)


async def retentions(
    directory: StreamDirectory, ask: Callable[[str], Awaitable[Mapping[str, float | None]]]
) -> Mapping[str, float] | None:
    """Days, by stream, of those for which the system's setting does not hold.

    Of a stream that is being restored, or on its way, its owner cannot say; so it is not forgotten now.

    Args:
        directory: whose streams.
        ask: asks a worker for the days of each of its streams; ``None`` where the system's setting holds.

    Returns:
        ``None`` if an owner does not answer: then none is forgotten now.
    """
    owner_of = {stream_id: location.worker for stream_id, location in directory.locations.items()}
    owners = sorted(set(owner_of.values()))
    try:
        answers = await asyncio.gather(*(ask(owner) for owner in owners))
    except HermesError as error:
        log.info("no stream is forgotten for its silence now", error=str(error))
        return None
    said = dict(zip(owners, answers, strict=True))
    days = {stream_id: said[owner].get(stream_id, inf) for stream_id, owner in owner_of.items()}
    return {stream_id: own for stream_id, own in days.items() if own is not None}
