"""For how long each stream may be silent, as the streams' owners say."""

import asyncio
from collections.abc import Mapping

from hermes_ray.cluster.control.directory import StreamDirectory
from hermes_ray.cluster.wire.calls import call
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_LIMIT_S = 5.0


async def retentions(directory: StreamDirectory, namespace: str) -> Mapping[str, float] | None:
    """Days, by stream, of those that have a retention of their own.

    Returns:
        ``None`` if an owner does not answer: of its streams nobody knows, so none may be forgotten now.
    """
    owners = {location.worker for location in directory.locations.values()}
    try:
        answers = await asyncio.gather(
            *(call(owner, namespace, "retentions", limit_s=_LIMIT_S) for owner in sorted(owners))
        )
    except HermesError as error:
        log.info("no stream is forgotten for its silence now", error=str(error))
        return None
    return {stream_id: days for answer in answers for stream_id, days in answer.items()}
