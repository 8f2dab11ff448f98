"""What a camera found out last, on its card and at the top of its view: without a request per camera, and truthful."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from hermes_ray.api.keys.scopes import Scope
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.event import EventKind
from tests.console.conftest import STREAMS, shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.events import Kept, found, keeping, told
from tests.console.support.judging import is_wider_than_its_window, serious_findings
from tests.console.support.keys import make_keys

NOW = 3600
"""Of this many frames the newest is captured when the tests are collected."""


@pytest.fixture
def kept(engine: StreamEngine, tmp_path: Path, port: int) -> Iterator[Kept]:
    with keeping(engine, tmp_path, port) as kept:
        yield kept


@pytest.fixture
async def page(browser: Browser, kept: Kept) -> AsyncIterator[Page]:
    async with sound_page(browser, kept.url, again=True, viewport={"width": 1280, "height": 800}) as page:
        yield page


def line_of(page: Page, stream: str) -> Locator:
    """The line of the newest event on a camera's card."""
    name = page.locator(".name").get_by_text(stream, exact=True)
    return page.locator(".camera-cell").filter(has=name).locator(".newest-event")


async def test_the_card_says_what_was_found_last_and_leads_to_all_of_it(page: Page, kept: Kept):
    kept.store(found(NOW - 600), found(NOW - 30, "yard", kind=EventKind.CLEAR, answer="no"))
    kept.store(found(NOW - 900, "yard", rule="late"))
    await shown(page, "")
    await expect(line_of(page, "street-1")).to_contain_text("truck: yes")
    await expect(line_of(page, "street-1")).to_contain_text(re.compile(r"\d+ (min|h).* ago"))
    await expect(line_of(page, "yard")).to_contain_text("truck ended: no")
    await expect(line_of(page, "street-2")).to_have_text("no event yet")
    kept.store(told(NOW, "A red van leaves the yard."))
    await expect(line_of(page, "street-1")).to_contain_text("journal: A red van leaves the yard.")
    await line_of(page, "street-1").click()
    await expect(page).to_have_url(re.compile(r"#/events\?stream=street-1$"))
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("A red van leaves the yard.")


async def test_a_camera_says_it_above_its_picture_too(page: Page, kept: Kept):
    await shown(page, "#/camera/yard")
    line = page.locator(".camera-head .newest-event")
    await expect(line).to_have_text("no event yet")
    kept.store(found(NOW, "yard"), found(NOW, "street-1", answer="no"))
    await expect(line).to_contain_text("truck: yes")
    await line.click()
    await expect(page).to_have_url(re.compile(r"#/events\?stream=yard$"))
    await page.go_back()
    with kept.away():
        await expect(line).to_contain_text("events cannot be read now")
        await expect(line).to_contain_text("truck: yes")


async def test_a_long_name_gives_way_to_the_answer(page: Page, kept: Kept):
    kept.store(
        found(NOW, rule="a-person-or-a-dog-at-the-gate-of-the-north-yard"), told(NOW, "Nothing happens. " * 9, "yard")
    )
    await shown(page, "")
    await expect(line_of(page, "yard")).to_contain_text("Nothing happens.")
    is_whole = "(part) => part.scrollWidth <= part.clientWidth"
    for stream, whole, cut in (("street-1", ".newest-said", ".newest-rule"), ("yard", ".newest-rule", ".newest-said")):
        assert await line_of(page, stream).locator(whole).evaluate(is_whole)
        assert not await line_of(page, stream).locator(cut).evaluate(is_whole)


async def test_whatever_an_answer_holds_is_shown_as_text_in_one_line(page: Page, kept: Kept):
    kept.store(told(NOW, "<b>One</b>\n\n- two\r\n\u2028three"), told(NOW, "<b>One</b> - two three", "yard"))
    await shown(page, "")
    heights = []
    for stream in ("street-1", "yard"):
        await expect(line_of(page, stream).locator(".newest-said")).to_have_text(": <b>One</b> - two three")
        heights.append(await line_of(page, stream).evaluate("(line) => line.getBoundingClientRect().height"))
    assert heights[0] == heights[1]


async def test_cameras_with_the_newest_events_come_first_where_that_is_wanted(page: Page, kept: Kept):
    kept.store(found(NOW - 20, "yard"), found(NOW - 40, "street-2"))
    await shown(page, "")
    await expect(line_of(page, "yard")).to_contain_text("ago")
    await page.get_by_label("Order").select_option("Newest event first")
    assert await page.locator("a.camera .name").all_inner_texts() == ["yard", "street-2", "street-1"]
    await expect(page).to_have_url(re.compile("sort=event"))


async def test_the_lines_cost_no_request_of_their_own(page: Page, kept: Kept):
    kept.store(*[found(NOW - 60, stream) for stream in STREAMS])
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url) if "/v1/" in sent.url else None)
    await shown(page, "")
    for stream in STREAMS:
        await expect(line_of(page, stream)).to_contain_text("truck: yes")
    assert [url for url in asked if not url.endswith(("latest.jpg", "/v1/updates"))] == []


async def test_a_database_that_is_away_is_said_and_what_was_known_stays(page: Page, kept: Kept):
    kept.store(found(NOW - 60))
    trouble = page.locator(".no-events")
    await shown(page, "")
    await expect(line_of(page, "street-1")).to_contain_text("truck: yes")
    await expect(trouble).to_be_hidden()
    with kept.away():
        await expect(trouble).to_be_visible()
        await expect(line_of(page, "street-1")).to_contain_text("truck: yes")
        await expect(line_of(page, "yard")).to_have_text("events not reachable")
        assert await serious_findings(page) == []
    kept.store(found(NOW, "yard"))
    await expect(line_of(page, "yard")).to_contain_text("truck: yes")
    await expect(trouble).to_be_hidden()


async def test_where_no_events_are_kept_nothing_is_said_of_them(browser: Browser, url: str):
    async with sound_page(browser, url, again=True) as page:
        await shown(page, "")
        await expect(page.get_by_role("link", name="street-1")).to_contain_text("remembers")
        assert await page.locator(".newest-event:visible").count() == 0
        assert (
            "Newest event first"
            not in await page.get_by_label("Order").locator("option:not([hidden])").all_inner_texts()
        )


async def test_a_key_sees_no_event_of_a_camera_that_is_not_its_own(
    browser: Browser, engine: StreamEngine, tmp_path: Path, port: int
):
    (reader,) = make_keys(tmp_path / "keys.json", ([Scope.READ], ["street-*"]))
    with keeping(engine, tmp_path, port, keys_file=str(tmp_path / "keys.json")) as kept:
        kept.store(found(NOW - 60, "yard", answer="a secret"), found(NOW - 60, "street-2"))
        async with sound_page(browser, kept.url, again=True) as page:
            await page.goto("/")
            await page.get_by_label("API key").fill(reader)
            await page.keyboard.press("Enter")
            await expect(line_of(page, "street-2")).to_contain_text("truck: yes")
            await expect(line_of(page, "street-1")).to_have_text("no event yet")
            assert "secret" not in await page.content()


async def test_arrows_walk_cameras_and_tab_reaches_the_event(page: Page, kept: Kept):
    kept.store(found(NOW - 60))
    await shown(page, "")
    await expect(line_of(page, "street-1")).to_contain_text("truck")
    await page.get_by_role("link", name="street-1").focus()
    await page.keyboard.press("Tab")
    await expect(line_of(page, "street-1")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("link", name="street-2")).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"#/events\?stream=street-1$"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_it_is_accessible_and_fits(browser: Browser, kept: Kept, width: int, scheme: str):
    kept.store(
        found(NOW, rule="a-person-at-the-gate-of-the-north-yard"), told(NOW - 80_000, "A red truck. " * 9, "yard")
    )
    async with sound_page(
        browser, kept.url, again=True, viewport={"width": width, "height": 740}, color_scheme=scheme
    ) as page:
        for view in ("", "#/camera/yard", "#/camera/street-1"):
            await shown(page, view)
            await expect(page.locator(".newest-event").filter(has_text=re.compile("ago|now")).first).to_be_visible()
            assert await serious_findings(page) == [], view
            assert not await is_wider_than_its_window(page), view
