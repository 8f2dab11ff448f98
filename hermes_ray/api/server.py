"""Start and stop the whole service, workers and HTTP API, from one process."""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from hermes_ray.api import serve_proxy
from hermes_ray.api.app import build
from hermes_ray.api.keys.exposure import check_exposure
from hermes_ray.api.schemas.questions import MAX_TIMEOUT_S
from hermes_ray.client import HermesClient
from hermes_ray.cluster.control.bringup.cluster import connect_ray, ensure_cluster, shutdown_cluster, wait_until_ready
from hermes_ray.cluster.control.bringup.metrics_port import metrics_address
from hermes_ray.config import ApiSettings, Settings, referring_arguments
from hermes_ray.errors import ApiUnreachable, ClusterError, ConfigError

APPLICATION = "hermes"
"""The application's name in Serve."""

READY_TIMEOUT_S = 300.0
"""How long workers may take to load their model, seconds."""

_PROXY_TIMEOUT_S = MAX_TIMEOUT_S + 10.0
# The application's own timeouts (504) come first; the proxy's ends only a request that hangs.
_HTTP_TIMEOUT_S = 30.0
_POLL_S = 0.1

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
    """Start workers and HTTP API, and wait until questions can be answered. The caller calls :func:`stop` at the end.

    Connects to Ray unless this process is connected.

    Args:
        settings: passed on to the application in full.
        on_progress: called with a few words whenever what is waited for changes.
        ready_timeout_s: how long workers may take, seconds.

    Raises:
        ConfigError: the API's or the metrics port is taken, or the API would be open to the network without keys.
        ClusterError: there is no Ray to connect to, or Serve cannot run the application.
        NotReady: the system was not ready in time; says what was missing.
        HermesError: a worker can never be ready; says why.
    """
    report = on_progress or (lambda _: None)
    check_exposure(settings.api)
    port = _usable_port(settings.api)
    serve_proxy.prepare()
    connect_ray(settings.cluster)
    # The workers load their model while Serve starts.
    ensure_cluster(settings)
    report("starting the HTTP server")
    _start_serve(settings, port)
    report("starting the router")
    try:
        serve.run(
            build(referring_arguments(settings)), name=APPLICATION, route_prefix="/", logging_config=_logging(settings)
        )
    except RuntimeError as error:
        raise ClusterError(f"Serve cannot run the application: {error}") from error
    wait_until_ready(settings, ready_timeout_s, report)
    if (address := metrics_address(settings)) is not None:
        report(f"metrics at http://{address}/metrics")
    url = f"http://{_reachable_host(settings.api.host)}:{port}"
    _wait_for_http(url)
    return ApiHandle(url)


def stop(settings: Settings | None = None) -> None:
    """Remove the application, Serve's proxies and its controller. Harmless when nothing runs.

    Args:
        settings: given, the workers are ended too, in order; not given, they live as long as the Ray cluster.
    """
    if not ray.is_initialized():
        return
    serve.shutdown()
    if settings is not None:
        shutdown_cluster(settings)


def _start_serve(settings: Settings, port: int) -> None:
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    options = HTTPOptions(host=settings.api.host, port=port, request_timeout_s=_PROXY_TIMEOUT_S)
    try:
        serve.start(proxy_location="EveryNode", http_options=options, logging_config=_logging(settings))
    except RayActorError:
        # On a busy machine Serve gives a proxy up that takes 15 s to start, and makes another. The second call joins
        # the Serve that runs by now; whether its proxy answers is found out at the end.
        serve.start()


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


def _wait_for_http(url: str) -> None:
    # The proxy learns of the router a moment after the router runs.
    deadline = time.monotonic() + _HTTP_TIMEOUT_S
    with HermesClient(url) as client:
        while True:
            try:
                return client.ready()
            except (ClusterError, ApiUnreachable):
                if time.monotonic() > deadline:
                    raise
            time.sleep(_POLL_S)
