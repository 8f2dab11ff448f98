"""A thousand random questions and pictures within the schema: each is answered or refused, and the engine goes on."""

import asyncio
import io
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hermes_ray import models
from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import EngineSettings, MemorySettings, Settings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import FramesFailed, MediaError
from hermes_ray.models import ModelAdapter
from hermes_ray.video.codec import DecodeLimits, decode
from tests.unit.api.conftest import app_of, in_process
from tests.unit.models import narrow

QUESTIONS, PICTURES = 750, 250
AT_ONCE = 25
WORDS = (
    "what",
    "happened",
    "?",
    "is",
    "the",
    "red",
    "box",
    "here",
    "how",
    "many",
    "\n",
    "ü",
    "猫",
    "🎥",
    "\u0000",
    "\u202e",
)
CONTROL = ("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<image>", "</s>", "[INST]")
EDGES = (0.0, -0.0, 5e-324, 1e-308, 1e-45, 1e-38, 1e-7, 0.5, 1.0, 1.9999999, 2.0)
TRUTH = Question("what happened ?", max_tokens=6)
UNDISTURBED = "undisturbed"
BUSY = ("busy-0", "busy-1")
START_MS = 1_767_323_045_000


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    """A cheap one: what is asked and shown is random, not what it says."""
    return models.load(narrow.save(tmp_path_factory.mktemp("narrow"), seed=3), device="cpu")


@pytest.fixture
def engine(adapter: ModelAdapter):
    settings = EngineSettings(max_questions=8, max_questions_waiting=64)
    with StreamEngine(adapter, MemorySettings(policy="hermes", budget_tokens=64, slots=4), settings) as engine:
        noise = np.random.default_rng(3)
        for stream in (UNDISTURBED, *BUSY):
            images = list(noise.integers(0, 256, (8, 64, 64, 3), dtype=np.uint8))
            engine.ingest(stream, images, [START_MS + 500 * n for n in range(8)]).result(60)
        yield engine


def text(chance: random.Random, most: int) -> str:
    """Few words as often as many, and so more texts in the same time."""
    count = chance.randint(1, chance.choice((3, most)))
    words = [chance.choice(WORDS if chance.random() < 0.99 else CONTROL) for _ in range(count)]
    return chance.choice((" ", "")).join(words) + chance.choice(("", " ?", "\t"))


def question(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"question": text(chance, 30), "max_tokens": chance.randint(1, 4)}
    if chance.random() < 0.5:
        body["temperature"] = chance.choice(EDGES) if chance.random() < 0.7 else chance.random() * 2
    if chance.random() < 0.3:
        body["seed"] = chance.choice((0, 1, 2**31, 2**32, 2**63 - 1))
    if chance.random() < 0.2:
        body["options"] = [text(chance, 3) for _ in range(chance.randint(2, 6))]
    if chance.random() < 0.2:
        body["session_id"] = chance.choice(("a", "b", "ü" * 128))
    if chance.random() < 0.1:
        body["as_of"] = chance.choice(("1970-01-01T00:00:00Z", "2026-01-02T03:04:05+14:00", "9999-12-31T23:59:59Z"))
    if chance.random() < 0.1 or "as_of" in body:
        body["timeout_s"] = chance.choice((1e-9, 1e-3, 0.05))
    if chance.random() < 0.2:
        body["stream"] = True
    return body


def picture(chance: random.Random, noise: np.random.Generator) -> tuple[bytes, str]:
    """A whole picture of any form that the message format allows."""
    width, height = (chance.choice((1, 2, 3, 15, 16, 17, 63, 64, 65, 200, 999)) for _ in range(2))
    mode = chance.choice(("RGB", "L", "RGBA", "CMYK", "P", "1", "LA", "I;16"))
    fill = chance.choice(("noise", "black", "white", "lines"))
    if fill == "noise":
        pixels = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
    else:
        pixels = np.full((height, width, 3), {"black": 0, "white": 255, "lines": 128}[fill], np.uint8)
        pixels[:: 2 if fill == "lines" else height] ^= 255 if fill == "lines" else 0
    image = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    is_jpeg = mode in ("RGB", "L", "CMYK") and chance.random() < 0.5
    stored = io.BytesIO()
    image.save(stored, "JPEG" if is_jpeg else "PNG") if mode != "CMYK" or is_jpeg else image.save(stored, "JPEG")
    return stored.getvalue(), "image/jpeg" if is_jpeg or mode == "CMYK" else "image/png"


def show(engine: StreamEngine, chance: random.Random) -> int:
    """Decode and ingest random pictures; returns how many were taken."""
    noise, taken = np.random.default_rng(chance.randrange(2**32)), 0
    limits = DecodeLimits.from_settings(Settings().video)
    for number in range(PICTURES):
        payload, content_type = picture(chance, noise)
        ts_ms = START_MS + 10_000 + chance.choice((number, 500 * number, 86_400_000 * number))
        try:
            frames = list(decode(payload, content_type, ts_ms, limits, max_side_px=336))
            engine.ingest(
                chance.choice(BUSY), [frame.image for frame in frames], [frame.ts_ms for frame in frames]
            ).result(60)
        except MediaError:
            continue
        except FramesFailed as error:
            raise AssertionError(f"a {content_type} of {len(payload)} bytes failed") from error
        taken += len(frames)
    return taken


async def ask(client: Any, chance: random.Random) -> dict[int, int]:
    """Random questions, AT_ONCE at a time; returns how many got which status."""
    statuses: dict[int, int] = {}
    for _ in range(QUESTIONS // AT_ONCE):
        bodies = [question(chance) for _ in range(AT_ONCE)]
        answers = await asyncio.gather(
            *(client.post(f"/v1/streams/{chance.choice(BUSY)}/query", json=body, timeout=120) for body in bodies)
        )
        for body, answer in zip(bodies, answers, strict=True):
            assert answer.status_code in (200, 422, 429, 504), (body, answer.status_code, answer.text)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    return statuses


@pytest.mark.parametrize("seed", [20261127])
async def test_random_questions_and_pictures_within_the_schema_do_no_harm(engine, settings, seed):
    chance = random.Random(seed)
    truth = engine.ask(UNDISTURBED, TRUTH).result(60)
    memory = engine.memory_map(UNDISTURBED)
    showing = asyncio.create_task(asyncio.to_thread(show, engine, random.Random(seed + 1)))
    async with in_process(app_of(EngineBackend(engine), settings)) as client:
        statuses = await ask(client, chance)
    assert await showing > PICTURES // 2
    assert statuses[200] > QUESTIONS // 2, statuses
    assert engine.memory_map(UNDISTURBED) == memory
    after = engine.ask(UNDISTURBED, TRUTH).result(60)
    assert (after.text, after.as_of_ms) == (truth.text, truth.as_of_ms)
