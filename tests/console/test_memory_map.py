"""The memory map in a browser: what is drawn is what the engine holds, and every moment of it can be looked at."""

import base64
import io
import math
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Page, expect

from hermes_ray.engine import StreamEngine
from hermes_ray.engine.contracts import MemoryMap
from hermes_ray.errors import FrameGone
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.footage import FIRST_SEED, FPS, film
from tests.console.support.held_answers import serving

STREAM = "street-1"
SUMMARY_PX = 11
"""Height at the bottom of a lane where its summary is drawn, with a gap."""


async def linear(page: Page) -> None:
    await page.get_by_role("radio", name="Linear").check(force=True)


async def lane(page: Page, tier: str) -> NDArray[np.uint8]:
    """What is drawn in one lane: opacity, [height, width]."""
    address = await page.locator(f"canvas.tier-{tier}").evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))[:, :, 3]


def by_frame(drawn: MemoryMap, tier: str) -> dict[int, float]:
    tokens = next(one.tokens for one in drawn.tiers if one.tier == tier)
    return dict(zip(drawn.frames, tokens, strict=True))


async def test_each_bar_is_as_high_as_its_moment_is_kept(page: Page, engine: StreamEngine):
    await shown(page, f"#/camera/{STREAM}")
    await linear(page)
    drawn = engine.memory_map(STREAM)
    full = max(max(one.tokens) for one in drawn.tiers)
    for tier in drawn.tiers:
        held = by_frame(drawn, tier.tier)
        count = f"{sum(held.values()):,.0f} tokens of {sum(tokens > 0 for tokens in held.values())} moments"
        await expect(page.locator(f".map-label.tier-{tier.tier}")).to_contain_text(count)
        opacity = await lane(page, tier.tier)
        height, width = opacity.shape
        floor = height - (SUMMARY_PX if tier.summarised > 0 else 0)
        for frame in range(drawn.frames_seen):
            column = opacity[:floor, math.floor((frame + 0.5) / drawn.frames_seen * width)]
            share = held.get(frame, 0.0) / full
            expected = 0 if share == 0 else max(2.0, math.sqrt(share) * (floor - 2))
            assert np.count_nonzero(column) == pytest.approx(expected, abs=1.5), f"{tier.tier}, frame {frame}"
        assert opacity[floor:, : width // 3].any() == (tier.summarised > 0)
    assert [tier.summarised > 0 for tier in drawn.tiers] == [False, False, True]


async def test_pointing_shows_the_moment_and_a_forgotten_place_says_so(page: Page, engine: StreamEngine):
    await shown(page, f"#/camera/{STREAM}")
    await linear(page)
    drawn = engine.memory_map(STREAM)
    box = await page.locator(".map-overlay").bounding_box()
    assert box is not None

    async def point_at(frame: int) -> None:
        await page.mouse.move(box["x"] + (frame + 0.5) / drawn.frames_seen * box["width"], box["y"] + 120)

    frame = drawn.frames[len(drawn.frames) // 2]
    card = page.locator(".map-card")
    await point_at(frame)
    await expect(card.locator("img")).to_have_js_property("naturalWidth", 320)
    for tier in ("sensory", "working", "long_term"):
        tokens = f"{by_frame(drawn, tier)[frame]:.1f}".removesuffix(".0")
        await expect(card.locator(f".tier-{tier} dd")).to_have_text(f"{tokens} of 9")
    forgotten = [one for one in range(drawn.frames_seen) if not {one - 1, one, one + 1} & set(drawn.frames)]
    await point_at(forgotten[0])
    await expect(card).to_contain_text("Forgotten")
    await page.mouse.move(10, 10)
    await expect(card).to_be_hidden()


async def test_the_keyboard_walks_through_the_moments_and_a_reader_hears_them(page: Page, engine: StreamEngine):
    await shown(page, f"#/camera/{STREAM}")
    slider = page.get_by_role("slider", name="Moments that are remembered")
    await slider.focus()
    await page.keyboard.press("End")
    await expect(slider).to_have_attribute("aria-valuetext", re_spoken("9 of 9"))
    await expect(page.locator(".map-card")).to_be_visible()
    newest = int(await slider.get_attribute("aria-valuenow") or "")
    assert newest == int(await slider.get_attribute("aria-valuemax") or "")
    await page.keyboard.press("ArrowLeft")
    await expect(slider).to_have_attribute("aria-valuenow", str(newest - 1))
    await page.keyboard.press("Home")
    await expect(slider).to_have_attribute("aria-valuenow", "0")
    await page.keyboard.press("Escape")
    await expect(page.locator(".map-card")).to_be_hidden()
    await page.get_by_text("As a table").click()
    rows = page.locator(".map-table tbody tr")
    await expect(rows.first).to_be_visible()
    counts = await rows.locator("td:nth-of-type(1)").all_inner_texts()
    assert sum(int(count) for count in counts if count) == len(engine.memory_map(STREAM).frames)


def re_spoken(kept: str) -> re.Pattern[str]:
    return re.compile(rf"before the newest\. Tokens kept: Sensory {kept}, Working {kept}, Long-term {kept}")


async def test_the_scale_that_was_chosen_is_there_again(page: Page):
    await shown(page, f"#/camera/{STREAM}")
    await expect(page.get_by_role("radio", name="Logarithmic")).to_be_checked()
    await expect(page.locator(".map-mark").first).to_contain_text(" s")
    await linear(page)
    await expect(page.locator(".map-mark").first).to_contain_text(":")
    await page.reload()
    await expect(page.get_by_role("radio", name="Linear")).to_be_checked()


async def test_the_map_of_a_living_camera_goes_on_and_begins_anew_with_it(page: Page, engine: StreamEngine):
    stream = "living"
    film(engine, stream, FIRST_SEED, frames=30)
    try:
        await shown(page, f"#/camera/{stream}")
        label = page.locator(".map-label.tier-sensory")
        await expect(label).to_contain_text(moments(engine, stream))
        film(engine, stream, FIRST_SEED + 1, frames=4, until_ms=newest_ms(engine, stream) + round(4000 / FPS))
        await expect(page.locator(".camera-facts")).to_contain_text("34")
        await expect(label).to_contain_text(moments(engine, stream))
        engine.drop(stream)
        await expect(page.get_by_role("heading", name=f"No camera is called {stream}")).to_be_visible()
        film(engine, stream, FIRST_SEED + 2, frames=3)
        await expect(label).to_contain_text("27 tokens of 3 moments")
    finally:
        engine.drop(stream)


def moments(engine: StreamEngine, stream: str) -> str:
    seen = by_frame(engine.memory_map(stream), "sensory")
    return f"{sum(seen.values()):,.0f} tokens of {sum(tokens > 0 for tokens in seen.values())} moments"


def newest_ms(engine: StreamEngine, stream: str) -> int:
    newest = engine.stream_stats(stream).as_of_ms
    assert newest is not None
    return newest


async def test_where_no_pictures_are_kept_the_map_is_whole_and_says_why(
    browser: Browser, engine: StreamEngine, port: int
):
    with serving(engine, port) as (backend, url):
        backend.pictures_fail = FrameGone("this system keeps no pictures")
        async with sound_page(browser, url, again=True) as page:
            await shown(page, f"#/camera/{STREAM}")
            await expect(page.locator(".newest")).to_contain_text("this system keeps no pictures")
            await expect(page.locator(".map-plot.without-pictures")).to_be_visible()
            await page.get_by_role("slider").focus()
            await page.keyboard.press("Home")
            await expect(page.locator(".map-card")).to_contain_text("this system keeps no pictures")


async def test_a_camera_that_nobody_knows_is_said_to_be_unknown(page: Page):
    await shown(page, "#/camera/nobody")
    await expect(page.get_by_role("heading", name="No camera is called nobody")).to_be_visible()
    await page.get_by_role("link", name="All cameras").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cameras")
