"""What a stream's memory still holds, over HTTP and through both clients."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from hermes_ray.client import AsyncHermesClient, HermesClient
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import UnknownStream
from tests.unit.api.conftest import FIRST_TS_MS, FRAMES, STREAM

BUSY = "memory-map"
SHOWN = 40


@pytest.fixture
def busy(engine: StreamEngine) -> Iterator[str]:
    """A stream of which much is forgotten."""
    images = list(np.random.default_rng(1).integers(0, 256, (SHOWN, 64, 64, 3), dtype=np.uint8))
    engine.ingest(BUSY, images, [FIRST_TS_MS + 500 * n for n in range(SHOWN)]).result(60)
    yield BUSY
    engine.drop(BUSY)


async def test_the_map_is_the_engines_own(http: httpx.AsyncClient, engine: StreamEngine, busy: str):
    shown = (await http.get(f"/v1/streams/{busy}/memory")).json()
    own = engine.memory_map(busy)
    assert (shown["id"], shown["frames_seen"]) == (busy, SHOWN)
    assert shown["as_of_ms"] == FIRST_TS_MS + 500 * (SHOWN - 1)
    assert 1 < len(shown["frames"]) < SHOWN
    assert shown["frames"] == list(own.frames)
    assert shown["captured_ms"] == [FIRST_TS_MS + 500 * frame for frame in shown["frames"]]
    assert [tier["tier"] for tier in shown["tiers"]] == [tier.tier for tier in own.tiers]
    assert sum(tier["layers"] for tier in shown["tiers"]) == len(engine.stream_stats(busy).kv_tokens_per_layer)
    for tier, truth in zip(shown["tiers"], own.tiers, strict=True):
        assert tier["tokens"] == pytest.approx(list(truth.tokens), abs=0.005)
        assert tier["summarised"] == pytest.approx(truth.summarised, abs=0.005)


async def test_of_a_stream_that_nobody_saw_there_is_no_map(http: httpx.AsyncClient):
    response = await http.get("/v1/streams/nobody/memory")
    assert (response.status_code, response.json()["code"]) == (404, "unknown-stream")


async def test_both_clients_draw_the_same_map(url: str):
    async with AsyncHermesClient(url) as client:
        drawn = await client.memory_map(STREAM)
        with pytest.raises(UnknownStream):
            await client.memory_map("nobody")
    with HermesClient(url) as blocking:
        assert blocking.memory_map(STREAM) == drawn
    assert drawn.frames == list(range(FRAMES))
