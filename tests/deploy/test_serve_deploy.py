"""What the chart renders, deployed on a real Ray with Serve's own command, as KubeRay would."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml

from hermes_ray.config import KafkaSettings
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics
from tests.deploy.rendering import Rendered, values_of

pytestmark = pytest.mark.integration

_BIN = Path(sys.executable).parent
_START_S = 90.0
_STOP_S = 20.0
_POLL_S = 0.5


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        ensure_topics(settings)
        yield settings


@pytest.fixture
def deployed(kafka: KafkaSettings, render: Callable[..., Rendered], tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The rendered Serve configuration, its HTTP port made free, and the dashboard of a Ray that sees the settings."""
    trial = values_of("values-cpu-trial.yaml")
    trial["config"]["kafka"] = {"bootstrap_servers": kafka.bootstrap_servers}
    rendered = render(trial)
    settings, serve = tmp_path / "hermes.yaml", tmp_path / "serve.yaml"
    settings.write_text(rendered.settings_text)
    config = rendered.serve_config
    config["http_options"] = {"host": "127.0.0.1", "port": _free_port()}
    serve.write_text(yaml.safe_dump(config))
    (group,) = rendered.cluster["workerGroupSpecs"]
    # Not pytest's own directory: Ray puts sockets there, whose paths must stay short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        environment = os.environ | {
            "HERMES_CONFIG": str(settings),
            "RAY_TMPDIR": directory,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid4().hex,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        }
        dashboard = _free_port()
        head = _start_ray(dashboard, int(group["rayStartParams"]["num-cpus"]), directory, environment)
        try:
            address = f"http://127.0.0.1:{dashboard}"
            _deploy(serve, address, environment)
            yield serve, address
        finally:
            head.terminate()
            with suppress(subprocess.TimeoutExpired):
                head.wait(_STOP_S)
            with suppress(ProcessLookupError):  # which is as it should be
                os.killpg(head.pid, signal.SIGKILL)


def _start_ray(dashboard: int, cpus: int, directory: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    ports = {
        "port": _free_port(),
        "dashboard-port": dashboard,
        "dashboard-agent-listen-port": _free_port(),
        "metrics-export-port": _free_port(),
        "ray-client-server-port": _free_port(),
    }
    options = [f"--{name}={port}" for name, port in ports.items()]
    fixed = ["--head", "--block", f"--num-cpus={cpus}", f"--temp-dir={directory}", "--object-store-memory=134217728"]
    command = [str(_BIN / "ray"), "start", *fixed, *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def _deploy(config: Path, address: str, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + _START_S
    headers = {"Authorization": f"Bearer {environment['RAY_AUTH_TOKEN']}"}
    while not _answers(f"{address}/api/serve/applications/", headers):
        assert time.monotonic() < deadline, "Ray's dashboard did not come up"
        time.sleep(_POLL_S)
    subprocess.run([_BIN / "serve", "deploy", config, "-a", address], env=environment, check=True)


def _answers(url: str, headers: dict[str, str] | None = None) -> bool:
    try:
        return httpx.get(url, headers=headers, timeout=10).is_success
    except httpx.TransportError:
        return False


def test_rendered_serve_configuration_brings_the_whole_system_up(deployed: tuple[Path, str]) -> None:
    config, dashboard = deployed
    port = yaml.safe_load(config.read_text())["http_options"]["port"]
    deadline = time.monotonic() + _START_S
    while not _answers(f"http://127.0.0.1:{port}/readyz"):
        assert time.monotonic() < deadline, httpx.get(f"http://127.0.0.1:{port}/readyz").text
        time.sleep(_POLL_S)
    assert httpx.get(f"http://127.0.0.1:{port}/v1/streams").json() == {"streams": []}
    # The token is asked for: without it Ray's own API tells nothing.
    assert httpx.get(f"{dashboard}/api/serve/applications/").status_code == 401
