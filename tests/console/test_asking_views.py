"""One camera and asking all, with answers: accessible, wide and on a phone, in light and dark, with a key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.api.keys.key_file import KeyFile, new_key, write_keys
from hermes_ray.api.keys.scopes import Scope
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.judging import is_wider_than_its_window, serious_findings
from tests.unit.api.conftest import app_of, on_socket

QUESTION = "what came first ?"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_answers_are_accessible_and_fit(browser: Browser, url: str, width: int, scheme: str):
    async with sound_page(
        browser, url, again=True, viewport={"width": width, "height": 740}, color_scheme=scheme
    ) as page:
        for view, answers in (("#/camera/street-1", 1), ("#/ask", 3)):
            await shown(page, view)
            await page.get_by_role("textbox").fill(QUESTION)
            await page.keyboard.press("Enter")
            await expect(page.locator(".answer[data-state=done]")).to_have_count(answers)
            if answers == 1:
                await page.get_by_text("As a table").click()
                await page.get_by_role("slider").focus()
                await page.keyboard.press("Home")
            assert await serious_findings(page) == [], view
            assert not await is_wider_than_its_window(page), view


async def test_who_may_only_read_sees_the_memory_and_is_asked_for_a_key_that_may_ask(
    browser: Browser, engine: StreamEngine, tmp_path: Path, port: int
):
    file = tmp_path / "keys.json"
    now = datetime.now(UTC)
    (reader, readers), (asker, askers) = (
        new_key(name, scopes, ["*"], now, None)
        for name, scopes in (("reader", [Scope.READ]), ("asker", [Scope.READ, Scope.ASK]))
    )
    write_keys(file, KeyFile(keys=(reader, asker)))
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off", keys_file=file)))
    with on_socket(app_of(EngineBackend(engine), settings), port) as url:
        async with sound_page(browser, url, again=True) as page:
            await page.goto("/#/camera/street-1")
            await page.get_by_label("API key").fill(readers)
            await page.keyboard.press("Enter")
            await expect(page.locator(".map-strip img").last).to_have_js_property("naturalWidth", 320)
            await expect(page.locator(".newest img")).to_have_js_property("naturalWidth", 320)
            await page.get_by_role("textbox", name="Question to street-1").fill(QUESTION)
            await page.keyboard.press("Enter")
            await expect(page.locator(".key-panel").get_by_text("lacks the scope ask")).to_be_visible()
            await page.get_by_label("API key").fill(askers)
            await page.keyboard.press("Enter")
            await page.get_by_role("textbox", name="Question to street-1").fill(QUESTION)
            await page.keyboard.press("Enter")
            await expect(page.locator(".answer[data-state=done]")).to_have_count(1)
