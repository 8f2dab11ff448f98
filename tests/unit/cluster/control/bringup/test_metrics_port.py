"""The port that Prometheus scrapes, over a source of numbers in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hermes_ray.cluster.control.bringup.metrics_port import MetricsServer
from hermes_ray.config import ApiSettings, MetricsSettings, Settings
from hermes_ray.errors import ConfigError
from hermes_ray.observability.stats import SystemStats
from tests.patience import LIMIT_S


class Readings:
    """Counts how often it is read, and how often at once."""

    def __init__(self) -> None:
        self.taken = self.most_at_once = self._now = 0

    async def take(self) -> SystemStats:
        self.taken += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        return SystemStats(coordinator_up=True)


@asynccontextmanager
async def serving(settings: MetricsSettings, readings: Readings) -> AsyncIterator[MetricsServer]:
    server = MetricsServer(settings, readings.take)
    task = asyncio.create_task(server.serve())
    try:
        yield server
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_port_shows_metrics_and_nothing_else(host: str):
    async with serving(MetricsSettings(host=host, port=0), Readings()) as server, httpx.AsyncClient() as http:
        root = f"http://{await server.address()}"
        scraped = await http.get(f"{root}/metrics")
        values = {family.name: family.samples[0].value for family in text_string_to_metric_families(scraped.text)}
        assert values["hermes_coordinator_up"] == 1
        newer = await http.get(f"{root}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        assert [(await http.get(f"{root}{path}")).status_code for path in ("/", "/v1/streams", "/docs")] == [404] * 3
        assert (await http.post(f"{root}/metrics")).status_code == 405


async def test_many_scrapers_ask_the_system_one_after_the_other():
    readings = Readings()
    async with serving(MetricsSettings(port=0), readings) as server, httpx.AsyncClient() as http:
        url = f"http://{await server.address()}/metrics"
        answers = await asyncio.gather(*(http.get(url) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert (readings.taken, readings.most_at_once) == (8, 1)


async def test_a_taken_port_is_named_and_served_once_it_is_free():
    with socket.create_server(("127.0.0.1", 0)) as former:
        port = former.getsockname()[1]
        async with serving(MetricsSettings(port=port), Readings()) as server, httpx.AsyncClient() as http:
            with pytest.raises(ConfigError, match=rf"metrics\.port: cannot listen on 127\.0\.0\.1:{port}.*in use"):
                await server.address()
            former.close()
            async with asyncio.timeout(LIMIT_S):
                while True:
                    with suppress(httpx.TransportError):
                        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
                        break
                    await asyncio.sleep(0.05)
            assert answer.status_code == 200
            assert await server.address() == f"127.0.0.1:{port}"


def test_the_api_and_the_metrics_cannot_share_a_port():
    with pytest.raises(ValueError, match=r"metrics\.port and api\.port are both 8000"):
        Settings(api=ApiSettings(port=8000), metrics=MetricsSettings(port=8000))
