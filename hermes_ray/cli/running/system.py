"""Start Ray and the Serve application, for ``demo`` and ``up``."""

import os
import socket
import sys
from contextlib import redirect_stdout

from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import KafkaSettings, Settings, SnapshotSettings, give_to_children
from hermes_ray.garbage import loading_for_good


def start_system(
    settings: Settings, lifecycle: Lifecycle, steps: Steps, address_source: str = "cluster.address"
) -> str:
    """Start or join Ray, deploy the application and wait until it can answer.

    Args:
        settings: the whole tree; the workers get it too.
        lifecycle: ends everything that is started here.
        steps: shows what is going on.
        address_source: who set ``cluster.address``, for the text of an error.

    Returns:
        The API's base URL.

    Raises:
        ConfigError: the API's port is taken, or Ray's address is none.
        ClusterError: Ray cannot be started or joined.
        NotReady: the system was not ready in time.
    """
    with steps.step("loading Ray"), lifecycle.deferring_signals(), loading_for_good():
        quiet_ray()
        import ray

        from hermes_ray.api import serve_proxy, server
        from hermes_ray.cluster.control.bringup.cluster import connect_ray, shutdown_cluster
        from hermes_ray.cluster.control.bringup.ray_address import chosen_address

    # Ray prints errors of its own to stdout, where a program may be reading our JSON.
    lifecycle.enter(redirect_stdout(sys.stderr))
    address = chosen_address(settings.cluster, address_source)
    joining = "starting Ray on this machine" if address is None else f"joining Ray at {address.text} ({address.source})"
    serve_proxy.prepare()
    if address is None:
        give_to_children(settings)
    with steps.step(joining), lifecycle.while_others_take_signals():
        lifecycle.at_end(ray.shutdown)
        is_ours = connect_ray(settings.cluster, address_source)
    with steps.step("starting the workers and the HTTP API") as progress:
        lifecycle.at_end(lambda: shutdown_cluster(settings))
        if not is_ours:
            # A cluster that we started ends as a whole; of somebody else's we remove what we put there.
            lifecycle.at_end(server.stop)
        return server.start(settings, progress).url


def with_own_broker(settings: Settings, lifecycle: Lifecycle, steps: Steps) -> Settings:
    """Start a broker for everything on this machine, and say what it is; returns the settings that name it.

    Raises:
        ConfigError: the embedded broker is not installed.
        BrokerUnavailable: it does not start.
    """
    from hermes_ray.transport.embedded import EmbeddedBroker

    with steps.step("starting a Kafka broker of our own, as none is named"):
        broker = lifecycle.enter(EmbeddedBroker())
    steps.say("it is for this machine and keeps its records in memory: they are gone when this command ends")
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker.bootstrap_servers})
    return settings.model_copy(update={"kafka": kafka})


def preferred_or_free(host: str, port: int) -> int:
    """Return ``port`` if this machine can listen on it, else 0: any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
    return port


def check_broker(settings: KafkaSettings) -> None:
    """Check that a broker answers.

    Raises:
        BrokerUnavailable: none does.
    """
    from kafka import KafkaAdminClient

    from hermes_ray.transport.failures import translated
    from hermes_ray.transport.security import connection_options

    with translated("looking for a broker", settings):
        KafkaAdminClient(**connection_options(settings)).close()


def check_snapshots(settings: SnapshotSettings) -> None:
    """Check that snapshots can be stored; nothing for those that only this machine's workers share.

    Raises:
        ConfigError: no driver reads such a URL.
        SnapshotError: something cannot be written, listed or removed there.
    """
    from hermes_ray.cluster.store.snapshot_store import SnapshotStore

    if settings.url not in ("auto", None):
        SnapshotStore(settings).check()


def quiet_ray() -> None:
    """Keep Ray's and Serve's own logs out of the terminal; they stay in Ray's log directory."""
    os.environ.setdefault("RAY_SERVE_LOG_TO_STDERR", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A local cluster that listens on this machine only needs no token, and the API of one would refuse us without.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
