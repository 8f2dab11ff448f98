"""A real browser before a real API over a real engine.

``page`` is a new browser context on ``url``; its script errors, and requests to anywhere else, fail the test.
``shown(page, "#/...")`` opens a view and waits until it is there.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.console.support.footage import FIRST_SEED, film, remembering
from tests.unit.api.conftest import app_of, on_socket

STREAMS = ("street-1", "street-2", "yard")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
LIMIT_MS = 60_000
"""For what must come in a browser; a busy machine is slow, and not wrong."""
expect.set_options(timeout=LIMIT_MS)


def program() -> str:
    """The browser's path."""
    found = shutil.which("chromium")
    assert found, "install chromium (Debian: chromium)"
    return found


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def engine() -> Iterator[StreamEngine]:
    """An engine that remembers a minute of each of STREAMS."""
    with remembering("hermes-tiny") as engine:
        for number, stream in enumerate(STREAMS):
            film(engine, stream, FIRST_SEED + number, frames=60)
        yield engine


@pytest.fixture(scope="session")
def url(engine: StreamEngine) -> Iterator[str]:
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
    with on_socket(app_of(EngineBackend(engine), settings)) as url:
        yield url


@asynccontextmanager
async def sound_page(browser: Browser, url: str, **context: object) -> AsyncIterator[Page]:
    """A page of a browser context of its own; an error in its scripts, or a request to another host, fails at the end.

    Args:
        browser: the browser.
        url: of the API.
        context: options of Playwright's ``new_context``, such as ``viewport`` or ``color_scheme``.
    """
    opened: BrowserContext = await browser.new_context(base_url=url, locale="en-GB", **context)
    opened.set_default_timeout(LIMIT_MS)
    wrong: list[str] = []
    page = await opened.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if _is_foreign(request.url, url) else None)
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    try:
        yield page
    finally:
        await opened.close()
    assert wrong == []


def _is_foreign(address: str, url: str) -> bool:
    return not address.startswith((url, "blob:", "data:"))


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with sound_page(browser, url, viewport={"width": 1280, "height": 800}) as page:
        yield page


Shown = Callable[[Page, str], Awaitable[None]]


async def shown(page: Page, view: str) -> None:
    """Open a view, such as ``#/system``, and wait until it is mounted and the connection lives."""
    await page.goto(f"/{view}")
    await page.wait_for_selector("body[data-connection=live] main[data-ready]")
