"""The Serve application.

``hermes_ray.api.app:build`` is the import path for a Serve config file (``serve deploy``, RayService).
"""

from typing import Any

from fastapi import FastAPI
from ray import serve

from hermes_ray.api.keys.exposure import warn_if_open
from hermes_ray.api.router import QueryRouter, cluster_backend
from hermes_ray.config import load, referring
from hermes_ray.garbage import loading_for_good


def build(args: dict[str, Any]) -> serve.Application:
    """The Serve application.

    Args:
        args: settings, in the shape of the configuration tree; they win over file and environment of the process
            that builds (with a Serve config: the head's).

    Raises:
        ConfigError: a setting is unknown or wrong.
    """
    settings = referring(load(overrides=args))  # Ray keeps what the deployment is made of
    warn_if_open(settings.api)

    def asgi_app() -> FastAPI:
        with loading_for_good():
            from hermes_ray.api.application import create_app  # where the application runs, and not where it is built

        return create_app(lambda: cluster_backend(settings), settings, behind_serve=True)

    deploy = serve.deployment(
        name=QueryRouter.__name__,
        num_replicas=settings.api.replicas,
        max_ongoing_requests=QueryRouter.MOST_REQUESTS,
        max_queued_requests=-1,
        ray_actor_options={"num_cpus": QueryRouter.NUM_CPUS},
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=QueryRouter.DRAIN_S,
    )
    return deploy(serve.ingress(asgi_app)(QueryRouter)).bind()
