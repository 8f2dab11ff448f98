"""A real Prometheus that scrapes a system and evaluates the alert rules, and what it is asked."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.patience import LIMIT_S

DASHBOARDS = Path(__file__).parents[3] / "dashboards"
RULES = DASHBOARDS / "rules" / "hermes.yaml"
SCRAPE_INTERVAL_S = 1
SCRAPE_LIMIT_S = 10.0  # Prometheus' own


def program(name: str) -> str:
    """Where a program of the Debian package is."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"the program {name} is missing: install the Debian package prometheus")
    return path


@contextmanager
def prometheus_of(url: str, directory: Path) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes an API every second, from its first scrape on.

    Args:
        url: of the API.
        directory: for its configuration and its data.
    """
    config = {
        "global": {"scrape_interval": f"{SCRAPE_INTERVAL_S}s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "hermes", "static_configs": [{"targets": [url.removeprefix("http://")]}]},
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [
            program("prometheus"),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
    )
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
            # Ready is not enough: it looks for targets every five seconds, and would see but the end of the load.
            deadline_s = time.monotonic() + LIMIT_S
            while not _scrapes(client):
                assert time.monotonic() < deadline_s
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def query(prometheus: httpx.Client, expr: str) -> list[float]:
    """The value of every series that a query finds."""
    response = prometheus.get("/api/v1/query", params={"query": expr}).json()
    assert response["status"] == "success", f"{expr}: {response}"
    return [float(series["value"][1]) for series in response["data"]["result"]]


def _scrapes(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200 and query(client, "up") == [1]
    except httpx.TransportError:  # it is starting
        return False
