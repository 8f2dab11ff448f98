"""A backend whose streams are in whatever state a test wants to see; memories and pictures are a real engine's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.cluster.wire.contracts import StreamStatus
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import HermesError


class StagedBackend(EngineBackend):
    """Says of its streams and of itself what it is told to say.

    Attributes:
        changes: by stream, members of its :class:`StreamStatus` that are to be other ones.
        failure: what listing streams fails with; ``None``: it does not.
    """

    def __init__(self, engine: StreamEngine) -> None:
        super().__init__(engine)
        self.changes: dict[str, Mapping[str, Any]] = {}
        self.failure: HermesError | None = None

    async def list_streams(self) -> list[StreamStatus]:
        """The engine's streams, changed."""
        if self.failure is not None:
            raise self.failure
        found = await super().list_streams()
        return [replace(status, **self.changes.get(status.stream_id, {})) for status in found]
