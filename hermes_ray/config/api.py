"""Settings of the HTTP API."""

from typing import Annotated

from pydantic import Field

from hermes_ray.config.access import AccessSettings, LimitSettings
from hermes_ray.config.section import Section as _Section


class ApiSettings(_Section):
    """The HTTP API."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` serves the network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """TCP port; 0 picks a free one."""
    replicas: Annotated[int, Field(ge=1)] = 1
    """Router replicas."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024
    """Largest request body, bytes."""
    body_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """How long a request's body may take to arrive, seconds."""
    max_import_bytes: Annotated[int, Field(ge=1024)] = 1024**3
    """Largest file of a memory that can be imported, bytes. It lies in a temporary file of the router, then in the
    worker's host memory."""
    max_ongoing_requests: Annotated[int, Field(ge=1)] = 64
    """Questions that one router replica works on at once; those with ``as_of`` get at most half of the places."""
    max_queued_requests: Annotated[int, Field(ge=0)] = 960
    """Questions that wait for such a place; more are refused with 429 ``overloaded``."""
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a request may take when the caller sets no ``timeout_s``, seconds."""
    access: AccessSettings = AccessSettings()
    """Who may use the HTTP API, and from where."""
    limits: LimitSettings = LimitSettings()
    """What each API key may do, and all callers without a key together."""

    @property
    def questions_per_caller(self) -> int:
        """Questions that each key, or all callers without one, may have in progress in one router."""
        places = self.max_ongoing_requests + self.max_queued_requests
        return self.limits.questions or (places if self.access.keys_file is None else max(1, places // 2))
