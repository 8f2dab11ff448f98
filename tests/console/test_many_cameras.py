"""Hundreds of cameras cost what can be seen of them."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import Page, Request, expect

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.video.sources.simulated import SimulatedCamera
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.footage import remembering
from tests.unit.api.conftest import app_of, on_socket

CAMERAS = 200


class Connections:
    """Requests to one address. On a busy machine a page may give one up and make another, but not hold two.

    Attributes:
        most: how many were open at once.
    """

    def __init__(self, page: Page, end: str) -> None:
        self.most = 0
        self._end = end
        self._open = 0
        page.on("request", lambda sent: self._count(sent, 1))
        page.on("requestfinished", lambda sent: self._count(sent, -1))
        page.on("requestfailed", lambda sent: self._count(sent, -1))

    def _count(self, sent: Request, change: int) -> None:
        if sent.url.endswith(self._end):
            self._open += change
            self.most = max(self.most, self._open)


@contextmanager
def remembering_many(cameras: int) -> Iterator[StreamEngine]:
    """An engine that remembers a frame of each of so many cameras."""
    with remembering("hermes-tiny-random", slots=cameras, budget_tokens=18) as engine:
        frame = next(SimulatedCamera(seed=5).frames())
        shown = [engine.ingest(f"camera-{number:03}", [frame.image], [frame.ts_ms]) for number in range(cameras)]
        for one in shown:
            one.result(300)
        yield engine


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with remembering_many(CAMERAS) as engine:
        settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
        with on_socket(app_of(EngineBackend(engine), settings)) as url:
            yield url


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with sound_page(browser, url, viewport={"width": 1280, "height": 800}) as page:
        yield page


async def test_only_what_comes_into_view_is_fetched_and_laid_out(page: Page):
    pictures: set[str] = set()
    updates = Connections(page, "updates")
    page.on("request", lambda sent: pictures.add(sent.url) if sent.url.endswith("latest.jpg") else None)
    await shown(page, "")
    await expect(page.locator("a.camera")).to_have_count(CAMERAS)
    first, last = page.locator("a.camera").first, page.locator("a.camera").last
    await page.wait_for_function("() => document.querySelector('a.camera img').naturalWidth > 0")
    near = await page.evaluate("""() => [...document.querySelectorAll('a.camera')].filter((card) => {
        const { top, bottom } = card.getBoundingClientRect();
        return bottom > -300 && top < innerHeight + 300;
    }).length""")
    assert near < CAMERAS / 4
    await page.wait_for_function(
        "(near) => [...document.querySelectorAll('a.camera img')].filter((one) => one.naturalWidth > 0).length >= near",
        arg=near,
    )
    assert len(pictures) <= near + math.ceil(near / 5)  # a row more, where the page was laid out anew meanwhile
    laid_out = "(card) => card.querySelector('.name').checkVisibility({ contentVisibilityAuto: true })"
    assert await first.evaluate(laid_out)
    assert not await last.evaluate(laid_out)

    await last.scroll_into_view_if_needed()
    await page.wait_for_function("() => [...document.querySelectorAll('a.camera img')].at(-1).naturalWidth > 0")
    assert await last.evaluate(laid_out)
    assert not await first.evaluate(laid_out)
    assert updates.most == 1
