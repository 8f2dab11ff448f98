"""Who may use the HTTP API, from where, and how much of it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hermes_ray.config.section import Section


class AccessSettings(Section):
    """Who may use the HTTP API, and from where."""

    keys_file: Path | None = None
    """File of API keys, as ``hermes keys`` writes it, on every node with a router; read again when it changes.
    ``null``: nobody needs a key, and only callers on the same machine are served."""
    open_without_keys: bool = False
    """Serve the network although there are no keys: whoever reaches the API may do everything. Without effect when
    there are keys."""
    hosts: tuple[str, ...] = ()
    """Names under which the API may be called (the ``Host`` header, without port), such as ``hermes.example.com`` or
    ``*.example.com``. Empty: any, but without keys only those of this machine."""
    origins: tuple[str, ...] = ()
    """Web origins whose pages may call the API (CORS), such as ``https://wall.example.com``; empty: none."""
    audit: Literal["off", "requests", "questions"] = "requests"
    """The audit log: nothing, who asked which stream with which outcome, or the questions' text too."""


class LimitSettings(Section):
    """What each API key may do, and all callers without a key together; every router replica counts for itself."""

    requests_per_s: Annotated[float, Field(gt=0)] = 200.0
    """Requests per second, on average."""
    burst: Annotated[int, Field(ge=1)] = 1000
    """Requests at once, after a pause."""
    questions: Annotated[int, Field(ge=1)] | None = None
    """Questions that are being answered or wait, at once. ``null``: half of the router's places for each key, and where
    there are no keys all of them for everybody together."""
    questions_ahead: Annotated[int, Field(ge=1)] = 32
    """How many of them may wait for a moment that has not come (``as_of``)."""
    transfers: Annotated[int, Field(ge=1)] = 2
    """Exports and imports of memories at once. A memory worker takes part in four, of all callers."""
    followers: Annotated[int, Field(ge=1)] = 64
    """Connections that follow events, at once; of 256 for everybody. Callers without a key count by address."""
    watchers: Annotated[int, Field(ge=1)] = 250
    """Connections that watch streams (``/v1/updates``, each open console has one), at once; of 1000 for everybody.
    Callers without a key count by address."""
