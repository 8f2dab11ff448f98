"""What the console says when all is not well: it is true, and it mends itself."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from hermes_ray.api.keys.scopes import Scope
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import NotReady
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.footage import remembering
from tests.console.support.judging import serious_findings
from tests.console.support.keys import make_keys
from tests.console.support.staged import StagedBackend
from tests.console.support.way import Way
from tests.unit.api.conftest import app_of, on_socket

KILLED_SHOWN_MS = 3000


async def test_a_killed_api_is_shown_within_three_seconds_and_comes_back_by_itself(
    browser: Browser, url: str, tmp_path: Path, port: int
):
    with Way(url, tmp_path / "way.log", port) as way:
        async with sound_page(browser, way.url, again=True) as page:
            await shown(page, "")
            await page.evaluate("""() => {
                new MutationObserver(() => {
                    if (document.body.dataset.connection === "lost") window.told ??= performance.now();
                }).observe(document.body, { attributes: true });
            }""")
            before_ms = await page.evaluate("performance.now()")
            way.kill()
            await page.wait_for_function("() => window.told")
            assert await page.evaluate("window.told") - before_ms < KILLED_SHOWN_MS
            await expect(page.get_by_role("alert")).to_contain_text("has not answered since")
            await expect(page.get_by_role("link", name="street-1")).to_be_visible()  # as it was known last
            assert await serious_findings(page) == []
            way.start()
            await page.wait_for_selector("body[data-connection=live]")
            await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_frozen_api_is_shown_too(browser: Browser, url: str, tmp_path: Path, port: int):
    with Way(url, tmp_path / "way.log", port) as way:
        async with sound_page(browser, way.url, again=True) as page:
            await shown(page, "")
            way.freeze()
            await page.wait_for_selector("body[data-connection=lost]")
            way.thaw()
            await page.wait_for_selector("body[data-connection=live]")


@asynccontextmanager
async def over(
    engine: StreamEngine, browser: Browser, port: int, *, again: bool = True, **access: object
) -> AsyncIterator[tuple[StagedBackend, Page]]:
    backend = StagedBackend(engine)
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off", **access)))
    with on_socket(app_of(backend, settings), port) as url:
        async with sound_page(browser, url, again=again) as page:
            yield backend, page


async def test_a_system_that_is_not_ready_says_why_and_then_is(browser: Browser, engine: StreamEngine, port: int):
    async with over(engine, browser, port) as (backend, page):
        backend.failure = NotReady("waiting for: memory-0 loads its model")
        await page.goto("/")
        await page.wait_for_selector("body[data-connection=unready]")
        await expect(page.get_by_role("alert")).to_contain_text("memory-0 loads its model")
        backend.failure = None
        await page.wait_for_selector("body[data-connection=live]")
        await expect(page.get_by_role("link", name="yard")).to_be_visible()


async def test_a_worker_that_hangs_is_no_lost_connection(browser: Browser, engine: StreamEngine, port: int):
    async with over(engine, browser, port, again=False) as (backend, page):
        backend.slow_s = 4.0
        await page.add_init_script("""
            window.phases = [];
            addEventListener("DOMContentLoaded", () => {
                new MutationObserver(() => window.phases.push(document.body.dataset.connection))
                    .observe(document.body, { attributes: true });
            });
        """)
        await shown(page, "")
        await expect(page.get_by_role("link", name="yard")).to_be_visible()
        assert "lost" not in await page.evaluate("window.phases")


async def test_without_cameras_it_says_how_to_send_one(browser: Browser, port: int):
    with remembering("hermes-tiny-random") as nothing:
        async with over(nothing, browser, port) as (_, page):
            await shown(page, "")
            await expect(page.get_by_text("No camera has sent a frame yet")).to_be_visible()
            await expect(page.get_by_text("hermes publish")).to_be_visible()
            assert await serious_findings(page) == []


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


async def test_it_asks_for_a_key_and_shows_what_that_may_see(
    browser: Browser, engine: StreamEngine, port: int, keys: Path
):
    reader, operator = make_keys(keys, ([Scope.READ], ["street-*"]), (list(Scope), ["*"]))
    async with over(engine, browser, port, keys_file=keys) as (_, page):
        await page.goto("/")
        field = page.get_by_label("API key")
        await expect(field).to_be_focused()
        assert await serious_findings(page) == []
        await field.fill("hermes_wrong_key")
        await field.press("Enter")
        await expect(page.get_by_text("That key was refused")).to_be_visible()
        await page.get_by_label("API key").fill(reader)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="street-1")).to_be_visible()
        await expect(page.locator("a.camera img").first).to_be_visible()  # a picture comes with the key too
        assert await page.locator("a.camera").count() == 2

        await page.get_by_role("link", name="System").click()
        await expect(page.get_by_text("lacks the scope metrics")).to_be_visible()
        await page.get_by_role("link", name="Back to the cameras").click()
        await expect(page.get_by_role("link", name="street-1")).to_be_visible()
        await page.get_by_role("link", name="System").click()
        await page.get_by_label("API key").fill(operator)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("region", name="Memory workers")).to_be_visible()

        stored = json.dumps(await page.context.storage_state())
        assert operator not in stored  # gone with the tab
        await page.get_by_role("button", name="Forget the key").click()
        await expect(page.get_by_label("API key")).to_be_visible()
