"""The console at a path of its own behind a proxy: everything is asked for below that path."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from hermes_ray.api.keys.scopes import Scope
from hermes_ray.engine import StreamEngine
from tests.console.support.browser import Browser, sound_page
from tests.console.support.events import Kept, found, keeping
from tests.console.support.keys import make_keys
from tests.console.support.mounted import Mounting, mounted

LIVE = "body[data-connection=live] main[data-ready]"


@pytest.fixture
def kept(engine: StreamEngine, tmp_path: Path) -> Iterator[Kept]:
    with keeping(engine, tmp_path) as kept:
        kept.store(found(1), found(2, "yard"))
        yield kept


@pytest.fixture
def proxy(kept: Kept, port: int) -> Iterator[Mounting]:
    with mounted(port, cameras=kept.url) as proxy:
        yield proxy


@asynccontextmanager
async def opened(browser: Browser, proxy: Mounting, path: str) -> AsyncIterator[Page]:
    """A page behind the proxy; whatever it asks for outside of a mounted path fails at the end."""
    async with sound_page(browser, proxy.url, again=True, viewport={"width": 1280, "height": 800}) as page:
        await page.goto(path)
        await page.wait_for_selector(LIVE)
        yield page
    assert proxy.astray == []


async def test_pictures_and_updates_come_and_every_link_leads_on(browser: Browser, proxy: Mounting, kept: Kept):
    async with opened(browser, proxy, "/cameras") as page:  # the proxy adds the slash, as nginx does
        await expect(page).to_have_url(f"{proxy.url}/cameras/")
        await page.wait_for_function(
            "() => [...document.querySelectorAll('a.camera img')].filter((one) => one.naturalWidth > 0).length === 3"
        )
        await expect(page.locator(".newest-event").filter(has_text="truck: yes")).to_have_count(2)
        kept.store(found(3, "street-2", answer="no"))
        await expect(page.locator(".newest-event").filter(has_text="truck: no")).to_be_visible()  # an update
        assert await page.evaluate("document.querySelector('.product img').naturalWidth > 0")
        for name, view in (("Ask all", "ask"), ("Events", "events"), ("System", "system"), ("Cameras", "")):
            await page.get_by_role("link", name=name, exact=True).click()
            await expect(page).to_have_url(f"{proxy.url}/cameras/#/{view}")
            await page.wait_for_selector(LIVE)
        await page.get_by_label("Name or label").fill("yard")
        await expect(page).to_have_url(f"{proxy.url}/cameras/#/?q=yard")
        await page.reload()
        await page.wait_for_selector(LIVE)
        await expect(page.locator("a.camera")).to_have_count(1)


async def test_a_camera_is_asked_and_shows_its_memory_and_evidence(browser: Browser, proxy: Mounting):
    async with opened(browser, proxy, "/cameras/#/camera/yard") as page:
        await page.wait_for_function("() => document.querySelector('.newest img').naturalWidth > 0")
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.map-strip img:not([hidden])')].some((one) => one.naturalWidth > 0)"
        )
        await page.get_by_role("textbox").fill("what happened ?")
        await page.keyboard.press("Enter")
        await expect(page.locator(".answer[data-state=done]")).to_have_count(1)
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.evidence img')].some((one) => one.naturalWidth > 0)"
        )


async def test_events_have_their_pictures_and_standing_questions_are_changed(browser: Browser, proxy: Mounting):
    async with opened(browser, proxy, "/cameras/#/events") as page:
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.event img')].filter((one) => one.naturalWidth === 64).length === 4"
        )
        await page.get_by_role("button", name="Unmute fixed").click()
        await expect(page.get_by_role("button", name="Mute fixed", exact=True)).to_be_visible()


async def test_the_page_of_the_api_is_found_too(browser: Browser, proxy: Mounting):
    async with opened(browser, proxy, "/cameras/") as page:
        await page.get_by_role("link", name="API", exact=True).click()
        await expect(page).to_have_url(f"{proxy.url}/cameras/docs")
        operation = page.locator("details").filter(has_text=re.compile("/healthz")).first
        await operation.locator("summary").click()
        await operation.get_by_role("button").click()
        await expect(operation).to_contain_text('{"status":"ok"}')


async def test_two_systems_behind_one_proxy_share_no_key_and_no_mark(
    browser: Browser, engine: StreamEngine, tmp_path: Path, port: int
):
    (north,) = make_keys(tmp_path / "keys.json", (list(Scope), ["*"]))
    (tmp_path / "south").mkdir()
    with (
        keeping(engine, tmp_path, keys_file=str(tmp_path / "keys.json")) as first,
        keeping(engine, tmp_path / "south") as second,
        mounted(port, north=first.url, south=second.url) as proxy,
    ):
        first.store(found(5))
        second.store(found(1))
        sent: list[str] = []
        async with sound_page(browser, proxy.url, again=True) as page:
            await page.goto("/north/#/events")
            await page.get_by_label("API key").fill(north)
            await page.keyboard.press("Enter")
            rows = page.get_by_role("list", name="Events").get_by_role("listitem")
            await expect(rows).to_have_count(1)
            south = f"{proxy.url}/south/"  # what the page of the other sends until it goes is its own
            page.on(
                "request",
                lambda one: sent.append(one.headers.get("authorization", "")) if one.url.startswith(south) else None,
            )
            await page.goto("/south/")
            await page.wait_for_selector(LIVE)
            await expect(page.locator(".newest-event").filter(has_text="truck: yes")).to_have_count(1)
            await page.get_by_role("link", name="Events").click()
            await expect(rows).to_have_count(1)
            await page.get_by_role("link", name="Cameras").click()
            second.store(found(2), found(3))  # older than what was seen of the other
            await page.reload()
            await expect(page.get_by_role("link", name="Events 2 new")).to_be_visible()
            assert set(sent) == {""}
            await page.goto("/north/")
            await page.wait_for_selector(LIVE)  # its key is in this tab still
        assert proxy.astray == []
