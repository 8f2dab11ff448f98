"""Settings of metrics and logs."""

from typing import Annotated, Literal

from pydantic import Field

from hermes_ray.config.section import Section as _Section


class MetricsSettings(_Section):
    """What ``/metrics`` shows, and where else than on the API."""

    host: str = "127.0.0.1"
    """Address of the head node that ``port`` listens on; ``0.0.0.0`` serves the network."""
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """TCP port that serves ``/metrics`` and nothing else, without a key; 0 picks a free one, ``null`` opens none."""
    per_stream: bool = False
    """Series of every stream too: frames, tokens, lag. As many series as cameras; mind Prometheus' memory."""


class LogSettings(_Section):
    """Logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level to write."""
    format: Literal["console", "json"] = "console"
    """``console`` for people, ``json`` for log collectors."""
