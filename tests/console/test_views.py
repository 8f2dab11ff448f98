"""All cameras and the system: what they show, by mouse and keyboard, wide and on a phone, in light and dark."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.config import AccessSettings, ApiSettings, LimitSettings, Settings
from hermes_ray.engine import StreamEngine
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.judging import is_wider_than_its_window, serious_findings
from tests.console.support.staged import StagedBackend, ingest_worker, memory_worker
from tests.unit.api.conftest import app_of, on_socket


@pytest.fixture(scope="module")
def backend(engine: StreamEngine) -> StagedBackend:
    backend = StagedBackend(engine)
    backend.changes = {
        "street-1": {"state": StreamState.LIVE, "lag_ms": 240.0},
        "street-2": {"state": StreamState.BEHIND, "lag_ms": 42_000.0},
        "yard": {"state": StreamState.MOVING, "settings": StreamSettings(labels={"site": "north"})},
    }
    backend.workers = {
        "memory-0": memory_worker(92, 128),
        "memory-1": memory_worker(0, 128, up=False, engine=None, restarts=2),
        "ingest-0": ingest_worker(range(8), {"undecodable-media": 41, "invalid-header": 3, "media-too-large": 0}),
    }
    return backend


@pytest.fixture(scope="module")
def url(backend: StagedBackend):
    limits = LimitSettings(requests_per_s=1e6, burst=10**6)
    settings = Settings(api=ApiSettings(access=AccessSettings(audit="off"), limits=limits))
    with on_socket(app_of(backend, settings)) as url:
        yield url


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with sound_page(browser, url, again=True, viewport={"width": 1280, "height": 800}) as page:
        yield page


async def names(page: Page) -> list[str]:
    return await page.locator("a.camera .name").all_inner_texts()


async def test_each_camera_says_how_it_is_and_what_it_remembers(page: Page):
    await shown(page, "")
    street = page.get_by_role("link", name="street-2")
    await expect(street).to_contain_text("behind by 42 s")
    await expect(street).to_contain_text("remembers 29 s")  # 60 frames, two a second
    await expect(street).to_contain_text(re.compile(r"\d+ / 126"))
    await expect(page.get_by_role("link", name="street-1")).to_contain_text("lag 240 ms")
    await expect(page.get_by_role("link", name="yard")).to_contain_text("moving")
    await page.wait_for_function(
        "() => [...document.querySelectorAll('a.camera img')].every((image) => image.naturalWidth > 0)"
    )
    assert "1970" not in await page.content()


async def test_cameras_are_found_and_ordered_and_the_address_keeps_it(page: Page):
    await shown(page, "")
    await expect(page.locator("a.camera")).to_have_count(3)
    await page.get_by_label("Order").select_option("Trouble first")
    assert await names(page) == ["street-2", "yard", "street-1"]
    await page.get_by_role("link", name="yard").focus()
    await page.keyboard.press("/")
    await page.keyboard.type("street")
    assert await names(page) == ["street-2", "street-1"]
    await page.reload()
    await expect(page.locator("a.camera")).to_have_count(2)
    assert await names(page) == ["street-2", "street-1"]
    await page.get_by_label("Name or label").fill("site=north")
    await expect(page.locator("a.camera")).to_have_count(1)
    await page.get_by_label("Name or label").fill("nobody")
    await page.get_by_role("button", name="Show all cameras").click()
    await page.get_by_role("button", name="behind").click()
    await expect(page.locator("a.camera")).to_have_count(1)
    assert await names(page) == ["street-2"]


async def test_the_grid_can_be_walked_with_the_keyboard(page: Page):
    await shown(page, "")
    await page.get_by_role("link", name="street-1").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("link", name="street-2")).to_be_focused()
    await page.keyboard.press("End")
    await expect(page.get_by_role("link", name="yard")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("#/camera/yard$"))


async def test_a_change_is_shown_without_asking(page: Page, backend: StagedBackend):
    await shown(page, "")
    await expect(page.get_by_role("link", name="street-1")).to_contain_text("lag 240 ms")
    before = backend.changes["street-1"]
    backend.changes["street-1"] = {"state": StreamState.FAILED, "lag_ms": None}
    await expect(page.get_by_role("link", name="street-1")).to_contain_text("worker away")
    backend.changes["street-1"] = before
    await expect(page.get_by_role("link", name="street-1")).to_contain_text("lag 240 ms")


async def test_the_system_shows_workers_and_what_could_not_be_used(page: Page):
    await shown(page, "#/system")
    await expect(page.get_by_role("status").filter(has_text="memory-1 away")).to_be_visible()
    row = page.get_by_role("row", name=re.compile("memory-0"))
    await expect(row).to_contain_text("92 of 128")
    await expect(row).to_contain_text("4 active, 1 waiting")
    await expect(page.get_by_role("row", name=re.compile("undecodable-media"))).to_contain_text("41")
    await expect(page.get_by_text("media-too-large")).to_have_count(0)  # none of them
    await expect(page.get_by_role("button", name="Drain… memory-1")).to_be_disabled()


async def test_a_worker_is_drained_only_when_that_is_confirmed(page: Page, backend: StagedBackend):
    backend.drains.clear()
    await shown(page, "#/system")
    await page.get_by_role("button", name="Drain… memory-0").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("92 streams move")
    assert await serious_findings(page) == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.get_by_role("button", name="Drain… memory-0").click()
    await page.get_by_role("dialog").get_by_role("button", name="Drain", exact=True).click()
    await expect(page.get_by_role("row", name=re.compile("memory-0"))).to_contain_text("draining")
    assert backend.drains == [("memory-0", True)]
    await page.get_by_role("button", name="End drain memory-0").click()
    await page.get_by_role("dialog").get_by_role("button", name="End drain").click()
    await expect(page.get_by_role("button", name="Drain… memory-0")).to_be_visible()
    assert backend.drains == [("memory-0", True), ("memory-0", False)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_every_view_is_accessible_and_fits(browser: Browser, url: str, scheme: str, width: int):
    async with sound_page(
        browser, url, again=True, viewport={"width": width, "height": 740}, color_scheme=scheme
    ) as page:
        for view, sign in (("", "a.camera img"), ("#/system", ".view-system tbody tr")):
            await shown(page, view)
            await expect(page.locator(sign).first).to_be_visible()
            assert await serious_findings(page) == [], view
            assert not await is_wider_than_its_window(page), view


async def test_the_switch_wins_over_the_system_and_is_remembered(page: Page):
    await shown(page, "")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.get_by_role("button", name="Theme: as the system").click()
    await page.get_by_role("button", name="Theme: light").click()
    dark = await page.evaluate(ground)
    assert dark != light
    await page.reload()
    assert await page.evaluate(ground) == dark


async def test_dark_is_the_same_by_the_switch_and_by_the_system(browser: Browser, url: str):
    tokens = """() => Object.fromEntries([...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
        .filter((rule) => rule.selectorText === ":root")
        .flatMap((rule) => [...rule.style].filter((name) => name.startsWith("--")))
        .map((name) => [name, getComputedStyle(document.documentElement).getPropertyValue(name)]))"""
    async with sound_page(browser, url, again=True, color_scheme="dark") as page:
        await shown(page, "")
        by_system = await page.evaluate(tokens)
    async with sound_page(browser, url, again=True, color_scheme="light") as page:
        await shown(page, "")
        await page.get_by_role("button", name="Theme: as the system").click()
        light = await page.evaluate(tokens)
        await page.get_by_role("button", name="Theme: light").click()
        assert await page.evaluate(tokens) == by_system
    assert light.keys() == by_system.keys()
    assert light["--ground"] != by_system["--ground"]
