"""The metrics port: what Prometheus scrapes without a key, and without reaching the HTTP API.

One actor of a cluster listens, on the head: whoever scrapes it gets the whole system's numbers once. It depends on no
router, so the numbers are there when the API is not.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import ray
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hermes_ray.cluster.wire.beside import or_end_process
from hermes_ray.cluster.wire.calls import Actor, fetch, find_actor
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.config import MetricsSettings, Settings
from hermes_ray.errors import ConfigError
from hermes_ray.observability.exposition import exposition
from hermes_ray.observability.logs import configure_logs, get_logger
from hermes_ray.observability.stats import SystemStats

log = get_logger(__name__)

METRICS_PORT = "metrics-port"
"""Name of the actor in the cluster's namespace."""

_ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""A resource that Ray gives the head node, and no other."""
_RETRY_S = 2.0
_ANSWER_LIMIT_S = 60.0
"""For a process that has to start first, on a busy machine."""

StatsSource = Callable[[], Awaitable[SystemStats]]


class MetricsServer:
    """Serves ``GET /metrics`` and nothing else.

    Args:
        settings: where to listen; ``port`` is set.
        read_stats: asked at every scrape, one scrape after the other, so that many scrapers load the system like one.
    """

    def __init__(self, settings: MetricsSettings, read_stats: StatsSource) -> None:
        self._settings = settings
        self._read_stats = read_stats
        self._turn = asyncio.Lock()
        self._tried = asyncio.Event()
        self._address: str | None = None
        self._refusal = ""

    async def serve(self) -> None:
        """Listen for good. A port that is taken is tried again every two seconds: it may be a former cluster's."""
        while True:
            try:
                listener = self._bind()
            except OSError as error:
                self._refused(error)
                await asyncio.sleep(_RETRY_S)
                continue
            host, port = listener.getsockname()[:2]
            self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            log.info("metrics port listens", address=self._address)
            self._tried.set()
            app = Starlette(routes=[Route("/metrics", self._scrape)])
            options = uvicorn.Config(app, access_log=False, log_config=None, lifespan="off")
            return await uvicorn.Server(options).serve(sockets=[listener])

    async def address(self) -> str:
        """``HOST:PORT`` that it listens on.

        Raises:
            ConfigError: it cannot listen there, at least not now.
        """
        await self._tried.wait()
        if self._address is None:
            raise ConfigError(self._refusal)
        return self._address

    def _bind(self) -> socket.socket:
        host = self._settings.host
        return socket.create_server(
            (host, self._settings.port or 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )

    def _refused(self, error: OSError) -> None:
        where = f"{self._settings.host}:{self._settings.port}"
        refusal = f"metrics.port: cannot listen on {where} of the head node: {error.strerror}"
        if refusal != self._refusal:
            log.error(refusal)
        self._refusal = refusal
        self._tried.set()

    async def _scrape(self, request: Request) -> Response:
        async with self._turn:
            stats = await self._read_stats()
        body, content_type = exposition(stats, request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})


class MetricsPort:
    """The actor around a :class:`MetricsServer`. Made into an async Ray actor by :func:`ensure_metrics_port`.

    Args:
        settings: the whole tree.
    """

    async def __init__(self, settings: Settings) -> None:
        configure_logs(settings.log, actor=METRICS_PORT)
        client = ClusterClient(settings.cluster.namespace, settings.video.max_lag_s)
        self._server = MetricsServer(settings.metrics, lambda: client.stats(per_stream=settings.metrics.per_stream))
        self._serving = asyncio.create_task(or_end_process(self._server.serve(), METRICS_PORT))

    async def address(self) -> str:
        """See :meth:`MetricsServer.address`."""
        return await self._server.address()


def ensure_metrics_port(settings: Settings) -> None:
    """Create the actor unless there is one, or none is wanted. Returns at once; it comes back for ever."""
    if settings.metrics.port is None:
        return
    actor: Any = ray.remote(MetricsPort)
    named = {"name": METRICS_PORT, "namespace": settings.cluster.namespace, "lifetime": "detached"}
    always = {"get_if_exists": True, "max_restarts": -1, "max_task_retries": -1, "num_cpus": 0}
    actor.options(**named, **always, resources=_ON_THE_HEAD).remote(settings)


def metrics_address(settings: Settings) -> str | None:
    """``HOST:PORT`` that the cluster's metrics port listens on; ``None`` if the settings want none.

    Raises:
        ConfigError: the port is taken on the head node, or no such address is the head's.
        WorkerUnavailable: no answer in time.
    """
    if settings.metrics.port is None:
        return None
    actor: Actor = find_actor(METRICS_PORT, settings.cluster.namespace)
    return fetch(actor.address.remote(), METRICS_PORT, _ANSWER_LIMIT_S)
