"""Structured logs, set up once per process: one line per event, for people or for log collectors."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor, WrappedLogger

from hermes_ray.config import LogSettings

# The default shows every frame's locals: secrets among them, and seconds of formatting in the thread that failed.
_CONSOLE = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
if not structlog.is_configured():  # of a process that uses the package as a library and says nothing about logs
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _CONSOLE])

_CHATTY = ("kafka", "httpx", "httpcore", "urllib3", "filelock", "fsspec")
"""Libraries whose INFO lines would drown ours."""
_REPORTED_BY_US = "kafka.net"
"""Tells every attempt to connect in four lines; where none succeeds, an error of ours says so once."""


def configure_logs(settings: LogSettings, **process_context: str) -> None:
    """Send every log line of this process, ours and the libraries', to stderr in one format.

    Args:
        settings: level and format.
        process_context: goes into every line, such as ``actor="memory-0"``.
    """

    def add_process_context(
        _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for key, value in process_context.items():
            event.setdefault(key, value)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_process_context,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a logger made before this call must follow it
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_renderers(settings.format))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger(_REPORTED_BY_US).setLevel(root.level if root.level <= logging.DEBUG else logging.CRITICAL)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module: ``log.info("what happened", stream_id=...)``, values as keywords, not in the text."""
    return structlog.stdlib.get_logger(name)


def _renderers(log_format: str) -> list[Processor]:
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        return [clean, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [clean, _CONSOLE]
