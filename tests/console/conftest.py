"""A real browser before a real API over a real engine.

``page`` is as new, and on ``url``; its script errors, and requests to anywhere else, fail the test.
``shown(page, "#/...")`` opens a view and waits until it is there.
"""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.console.support.browser import LIMIT_MS, Browser, sound_page
from tests.console.support.footage import FIRST_SEED, film, remembering
from tests.service import free_ports
from tests.unit.api.conftest import app_of, on_socket

STREAMS = ("street-1", "street-2", "yard")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
expect.set_options(timeout=LIMIT_MS)


def program() -> str:
    """The browser's path."""
    found = shutil.which("chromium")
    assert found, "install chromium (Debian: chromium)"
    return found


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        yield Browser(started)
        await started.close()


@pytest.fixture(scope="session")
def engine() -> Iterator[StreamEngine]:
    """An engine that remembers a minute of each of STREAMS."""
    with remembering("hermes-tiny") as engine:
        for number, stream in enumerate(STREAMS):
            film(engine, stream, FIRST_SEED + number, frames=60)
        yield engine


@pytest.fixture(scope="session")
def port() -> int:
    """Of APIs that tests have to themselves, one after the other: a page stays usable while its address is the same."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def url(engine: StreamEngine) -> Iterator[str]:
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
    with on_socket(app_of(EngineBackend(engine), settings)) as url:
        yield url


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with sound_page(browser, url, again=True, viewport={"width": 1280, "height": 800}) as page:
        yield page


async def shown(page: Page, view: str) -> None:
    """Open a view, such as ``#/system``, and wait until it is mounted and the connection lives."""
    await page.goto(f"/{view}")
    await page.wait_for_selector("body[data-connection=live] main[data-ready]")
