"""What the chart renders, deployed on a real Ray as KubeRay does it: by a request to Ray's dashboard."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.deploy.rendering import Rendered, values_of
from tests.patience import LIMIT_S
from tests.service import free_ports

pytestmark = pytest.mark.integration

_BIN = Path(sys.executable).parent
_RAYS_PORTS = ("port", "dashboard-agent-listen-port", "metrics-export-port", "ray-client-server-port")
_SERVE_API = "/api/serve/applications/"
_STOP_S = 20.0
_POLL_S = 0.5


@dataclass(frozen=True)
class Deployed:
    """A system that runs.

    Attributes:
        config: the rendered Serve configuration, its HTTP port made free.
        dashboard: address of Ray's.
        environment: of commands for it.
    """

    config: Path
    dashboard: str
    environment: dict[str, str]

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{yaml.safe_load(self.config.read_text())['http_options']['port']}"

    @property
    def metrics_port(self) -> str:
        return f"http://127.0.0.1:{self.environment['HERMES_METRICS__PORT']}"


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        ensure_topics(settings)
        yield settings


@pytest.fixture(scope="module")
def deployed(
    kafka: KafkaSettings, render: Callable[..., Rendered], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """What the chart renders for a trial, on a Ray that sees the settings."""
    tmp_path = tmp_path_factory.mktemp("deployed")
    trial = values_of("values-cpu-trial.yaml")
    trial["config"]["kafka"] = {"bootstrap_servers": kafka.bootstrap_servers}
    trial["config"]["cluster"]["ingest_worker_cpus"] = 0.5  # leaves room for a second memory worker
    rendered = render(trial)
    settings, serve = tmp_path / "hermes.yaml", tmp_path / "serve.yaml"
    settings.write_text(rendered.settings_text)
    config = rendered.serve_config
    api, metrics, dashboard, *others = free_ports(3 + len(_RAYS_PORTS))
    config["http_options"] = {"host": "127.0.0.1", "port": api}
    serve.write_text(yaml.safe_dump(config))
    (group,) = rendered.cluster["workerGroupSpecs"]
    # Not pytest's own directory: Ray puts sockets there, whose paths must stay short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        environment = os.environ | {
            "HERMES_CONFIG": str(settings),
            "HERMES_METRICS__PORT": str(metrics),
            "RAY_TMPDIR": directory,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid4().hex,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        }
        ports = {"dashboard-port": dashboard, **dict(zip(_RAYS_PORTS, others, strict=True))}
        head = _start_ray(ports, int(group["rayStartParams"]["num-cpus"]), directory, environment)
        try:
            address = f"http://127.0.0.1:{dashboard}"
            _wait_for_dashboard(head, address, environment)
            _deploy(serve, address, environment)
            yield Deployed(serve, address, environment)
        finally:
            head.terminate()
            with suppress(subprocess.TimeoutExpired):
                head.wait(_STOP_S)
            with suppress(ProcessLookupError):  # which is as it should be
                os.killpg(head.pid, signal.SIGKILL)


def _start_ray(
    ports: dict[str, int], cpus: int, directory: str, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    options = [f"--{name}={port}" for name, port in ports.items()]
    fixed = ["--head", "--block", f"--num-cpus={cpus}", f"--temp-dir={directory}", "--object-store-memory=134217728"]
    fixed += ["--no-monitor", "--include-log-monitor=false"]  # nothing scales by itself, and nobody reads workers' logs
    command = [str(_BIN / "ray"), "start", *fixed, *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def _wait_for_dashboard(head: subprocess.Popen[bytes], address: str, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not _answers(address + _SERVE_API, _authorized(environment)):
        assert head.poll() is None, f"ray start ended with {head.returncode}"
        assert time.monotonic() < deadline, "Ray's dashboard did not come up"
        time.sleep(_POLL_S)


def _deploy(config: Path, address: str, environment: dict[str, str]) -> None:
    """``PUT`` to the Serve API of Ray's dashboard (Ray: "Serve REST API")."""
    wanted = yaml.safe_load(config.read_text())
    taken = httpx.put(address + _SERVE_API, headers=_authorized(environment), json=wanted, timeout=LIMIT_S)
    assert taken.is_success, taken.text


def _authorized(environment: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {environment['RAY_AUTH_TOKEN']}"}


def _answers(url: str, headers: dict[str, str] | None = None) -> bool:
    try:
        return httpx.get(url, headers=headers, timeout=10).is_success
    except httpx.TransportError:
        return False


def _wait_until_ready(api: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not _answers(f"{api}/readyz"):
        assert time.monotonic() < deadline, httpx.get(f"{api}/readyz", timeout=LIMIT_S).text
        time.sleep(_POLL_S)


def test_rendered_serve_configuration_brings_the_whole_system_up(deployed: Deployed) -> None:
    _wait_until_ready(deployed.api)
    assert httpx.get(f"{deployed.api}/v1/streams", timeout=LIMIT_S).json()["streams"] == []
    # The same numbers on the API and beside it.
    up = 'hermes_worker_up{role="memory",worker="memory-0"} 1.0'
    _wait_until_told(deployed.api, up)
    _wait_until_told(deployed.metrics_port, up)
    # The token is asked for: without it Ray's own API tells nothing.
    assert httpx.get(deployed.dashboard + _SERVE_API, timeout=LIMIT_S).status_code == 401


def test_a_changed_number_of_memory_workers_is_taken_by_the_system_that_runs(deployed: Deployed) -> None:
    """As KubeRay does it, where only the Serve configuration has changed: no other cluster."""
    _wait_until_ready(deployed.api)
    config = yaml.safe_load(deployed.config.read_text())
    assert config["applications"][0]["args"] == {"cluster": {"memory_workers": 1}}
    config["applications"][0]["args"]["cluster"]["memory_workers"] = 2
    deployed.config.write_text(yaml.safe_dump(config))
    _deploy(deployed.config, deployed.dashboard, deployed.environment)
    _wait_until_told(deployed.api, 'hermes_worker_up{role="memory",worker="memory-1"} 1.0')


def _wait_until_told(url: str, line: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while line not in (told := _metrics(url)):
        assert time.monotonic() < deadline, told
        time.sleep(_POLL_S)


def _metrics(api: str) -> str:
    try:
        return httpx.get(f"{api}/metrics", timeout=10).text
    except httpx.TransportError as error:  # routers are replaced
        return str(error)
