"""Start and stop the Serve application on the Ray cluster that this process is connected to."""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from hermes_ray.api.app import build
from hermes_ray.api.client import HermesClient
from hermes_ray.api.schemas import MAX_TIMEOUT_S
from hermes_ray.config import ApiSettings, Settings
from hermes_ray.errors import ApiUnreachable, ClusterError, ConfigError, NotReady

APPLICATION = "hermes"
"""The application's name in Serve."""

READY_TIMEOUT_S = 300.0
"""How long workers may take to load their model, seconds."""

_PROXY_TIMEOUT_S = MAX_TIMEOUT_S + 10.0
# The application's own timeouts (504) come first; the proxy's ends only a request that hangs.
_POLL_S = 0.2

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ApiHandle:
    """A running API.

    Attributes:
        url: its address, without a slash at the end.
    """

    url: str


def start(
    settings: Settings, on_progress: Progress | None = None, ready_timeout_s: float = READY_TIMEOUT_S
) -> ApiHandle:
    """Serve the API and wait until questions can be answered. The caller has connected to Ray and calls :func:`stop`.

    Args:
        settings: passed on to the application in full.
        on_progress: called with a few words whenever what is waited for changes.
        ready_timeout_s: how long to wait for readiness, seconds.

    Raises:
        ConfigError: the port is taken.
        ClusterError: Ray is not connected, or Serve cannot run the application.
        NotReady: the system was not ready in time; says what was missing.
    """
    if not ray.is_initialized():
        raise ClusterError("connect to Ray first (ray.init)")
    report = on_progress or (lambda _: None)
    port = _usable_port(settings.api)
    url = f"http://{_reachable_host(settings.api.host)}:{port}"
    report("starting the HTTP server")
    _start_serve(settings, port)
    report("starting the router")
    try:
        serve.run(build(settings.model_dump()), name=APPLICATION, route_prefix="/", logging_config=_logging(settings))
    except RuntimeError as error:
        raise ClusterError(f"Serve cannot run the application: {error}") from error
    _wait_until_ready(url, report, ready_timeout_s)
    return ApiHandle(url)


def stop() -> None:
    """Remove the application, Serve's proxies and its controller. Harmless when nothing runs."""
    if ray.is_initialized():
        serve.shutdown()


def _start_serve(settings: Settings, port: int) -> None:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        proxy_location="EveryNode",
        http_options=HTTPOptions(host=settings.api.host, port=port, request_timeout_s=_PROXY_TIMEOUT_S),
        logging_config=_logging(settings),
    )


def _logging(settings: Settings) -> LoggingConfig:
    level = "WARNING" if settings.log.level == "INFO" else settings.log.level
    return LoggingConfig(log_level=level, enable_access_log=settings.log.level == "DEBUG")


def _usable_port(api: ApiSettings) -> int:
    # Serve's proxies share ports (SO_REUSEPORT), so a taken one would not fail there but split the requests.
    with closing(socket.socket(socket.AF_INET6 if ":" in api.host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((api.host, api.port))
        except OSError as error:
            raise ConfigError(f"api.port: cannot listen on {api.host}:{api.port}: {error.strerror}") from error
        return probe.getsockname()[1]


def _reachable_host(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _wait_until_ready(url: str, report: Progress, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    reported = ""
    with HermesClient(url) as client:
        while True:
            missing = _missing(client)
            if missing is None:
                return
            if time.monotonic() > deadline:
                raise NotReady(f"not ready after {timeout_s:g} s: {missing}")
            if missing != reported:
                report(missing)
                reported = missing
            time.sleep(_POLL_S)


def _missing(client: HermesClient) -> str | None:
    try:
        client.ready()
    except (ClusterError, ApiUnreachable) as error:
        return str(error)
    return None
