"""Events in the console: they come by themselves, are found, are known to have been seen; standing questions too."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from hermes_ray.api.keys.scopes import Scope
from hermes_ray.engine import StreamEngine
from hermes_ray.transport.event import EventKind
from tests.console.conftest import shown
from tests.console.support.browser import LIMIT_MS, Browser, sound_page
from tests.console.support.events import Kept, found, keeping, told
from tests.console.support.judging import is_wider_than_its_window, serious_findings
from tests.console.support.keys import make_keys
from tests.console.support.way import Way
from tests.service import free_ports

VIEW = "#/events"


@pytest.fixture
def kept(engine: StreamEngine, tmp_path: Path, port: int) -> Iterator[Kept]:
    with keeping(engine, tmp_path, port) as kept:
        yield kept


@pytest.fixture
async def page(browser: Browser, kept: Kept) -> AsyncIterator[Page]:
    async with sound_page(browser, kept.url, again=True, viewport={"width": 1280, "height": 800}) as page:
        yield page


def rows(page: Page):
    return page.get_by_role("list", name="Events").get_by_role("listitem")


async def test_an_event_appears_when_it_is_stored(page: Page, kept: Kept):
    await shown(page, VIEW)
    await expect(page.get_by_role("heading", name="No event yet")).to_be_visible()
    kept.store(found(1, probability=0.93))
    first = rows(page).first
    for words in ("matched", "did a red truck come?", "yes", "93 %", "ago"):
        await expect(first).to_contain_text(words)
    await expect(page.get_by_text("No event yet")).to_be_hidden()
    await page.wait_for_function(
        "() => [...document.querySelectorAll('.event img')].filter((image) => image.naturalWidth === 64).length === 2"
    )
    kept.store(told(2, "A <b>van</b> leaves.", "yard"))
    await expect(first).to_contain_text("A <b>van</b> leaves.")
    await first.get_by_role("link", name="yard").click()
    await expect(page).to_have_url(re.compile("#/camera/yard$"))


async def test_who_reads_further_down_is_not_moved(page: Page, kept: Kept):
    kept.store(*[found(frame, evidence=()) for frame in range(120)])
    await shown(page, VIEW)
    await expect(rows(page)).to_have_count(50)
    await rows(page).last.scroll_into_view_if_needed()
    await expect(rows(page)).to_have_count(100)  # the next page, by scrolling
    await page.get_by_text("live: new ones").wait_for(state="attached")
    kept.store(found(200, "yard"), found(201, "yard"))
    waiting = page.get_by_role("button", name="2 new")
    await expect(waiting).to_be_in_viewport()
    assert await rows(page).filter(has_text="yard").count() == 0
    await waiting.click()
    await expect(rows(page).first).to_contain_text("yard")
    await expect(rows(page).first).to_be_in_viewport()
    await expect(waiting).to_be_hidden()


async def test_events_are_searched_and_the_address_keeps_it(page: Page, kept: Kept):
    kept.store(found(1), told(2, "A dog barks."), found(3, "yard", rule="rain", question="is it raining?"))
    await shown(page, VIEW)
    await expect(rows(page)).to_have_count(3)
    await page.keyboard.press("/")
    await page.keyboard.type("dogs")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("A dog barks.")
    await page.reload()
    await expect(rows(page)).to_have_count(1)
    kept.store(found(4), told(5, "Two dogs play."))  # what comes is filtered too
    await expect(rows(page).first).to_contain_text("Two dogs play.")
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("Words").fill("elephant")
    await page.get_by_role("button", name="Show all events").click()
    await expect(rows(page)).to_have_count(5)
    await page.get_by_role("button", name="Matches").click()
    await expect(rows(page)).to_have_count(3)
    await page.get_by_label("Camera", exact=True).fill("ya*")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_label("Camera", exact=True).fill("")
    await expect(rows(page)).to_have_count(3)
    await page.get_by_label("Standing question", exact=True).select_option("rain")
    await expect(rows(page)).to_have_count(1)


async def test_what_came_meanwhile_is_counted_and_marked(page: Page, kept: Kept):
    kept.store(found(1))
    await shown(page, VIEW)
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).get_by_text("new", exact=True)).to_have_count(0)  # a first visit: nothing was missed
    await page.get_by_role("link", name="Cameras").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cameras")
    kept.store(found(2), found(3))
    await page.reload()
    await page.get_by_role("link", name="Events 2 new").click()
    await expect(rows(page)).to_have_count(3)
    assert [await row.get_by_text("new", exact=True).count() for row in await rows(page).all()] == [1, 1, 0]
    await page.reload()
    await expect(rows(page)).to_have_count(3)
    await expect(rows(page).get_by_text("new", exact=True)).to_have_count(0)


async def test_standing_questions_are_made_muted_and_deleted(page: Page, kept: Kept):
    await shown(page, VIEW)
    section = page.locator(".standing")
    await section.get_by_role("button", name="Unmute fixed").click()
    await expect(section.get_by_role("button", name="Mute fixed", exact=True)).to_be_visible()
    assert [one.question.muted for one in await kept.backend.standing_questions()] == [False]
    await expect(section.get_by_role("button", name="Delete… fixed")).to_be_disabled()  # it is in the settings
    await section.get_by_text("New standing question").click()
    await section.get_by_label("Name").fill("Gate!")
    await section.get_by_label("Question, answered").fill("is there a person at the gate?")
    await section.get_by_label("Cameras or patterns").fill("street-*, yard")
    await section.get_by_role("button", name="Make").click()
    await expect(section.get_by_role("alert")).to_contain_text("name")
    assert await serious_findings(page) == []
    await section.get_by_label("Name").fill("gate")
    await section.get_by_role("button", name="Make").click()
    await expect(section.get_by_role("listitem").filter(has_text="street-*, yard")).to_contain_text("every 5 s")
    await section.get_by_role("button", name="Delete… gate").click()
    await page.keyboard.press("Escape")
    await section.get_by_role("button", name="Delete… gate").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    await expect(section.get_by_role("button", name="Delete… gate")).to_have_count(0)
    assert [one.question.name for one in await kept.backend.standing_questions()] == ["fixed"]


async def test_a_key_that_may_only_read_is_told_so(browser: Browser, engine: StreamEngine, tmp_path: Path, port: int):
    (reader,) = make_keys(tmp_path / "keys.json", ([Scope.READ], ["*"]))
    with keeping(engine, tmp_path, port, keys_file=str(tmp_path / "keys.json")) as kept:
        kept.store(found(1))
        async with sound_page(browser, kept.url, again=True) as page:
            await page.goto(f"/{VIEW}")
            await page.get_by_label("API key").fill(reader)
            await page.keyboard.press("Enter")
            await expect(rows(page)).to_have_count(1)
            await page.wait_for_function("() => document.querySelectorAll('.event img')[1].naturalWidth === 64")
            await page.get_by_role("button", name="Unmute fixed").click()
            await expect(page.locator(".standing").get_by_role("alert")).to_contain_text("scope manage")
            await expect(page.get_by_role("button", name="Unmute fixed")).to_be_disabled()
            await expect(rows(page)).to_have_count(1)


async def test_a_lost_connection_is_said_and_nothing_is_missed(browser: Browser, kept: Kept, tmp_path: Path):
    kept.store(found(1))
    with Way(kept.url, tmp_path / "way.log", free_ports(1)[0]) as way:
        async with sound_page(browser, way.url) as page:
            await shown(page, VIEW)
            await expect(page.get_by_text("live: new ones")).to_be_visible()
            await expect(rows(page)).to_have_count(1)
            way.kill()
            await expect(page.get_by_text("not live: The API does not answer")).to_be_visible()
            await expect(rows(page)).to_have_count(1)  # as it was known last
            kept.store(found(2), found(3))
            way.start()
            await expect(rows(page)).to_have_count(3, timeout=LIMIT_MS)
            await expect(page.get_by_text("live: new ones")).to_be_visible()


async def test_where_none_are_kept_the_navigation_names_none(browser: Browser, url: str):
    async with sound_page(browser, url, again=True) as page:
        index = {"url": f"{url}/", "resource_type": "fetch"}
        async with page.expect_response(
            lambda answer: {"url": answer.url, "resource_type": answer.request.resource_type} == index
        ):
            await shown(page, "")
        await expect(page.get_by_role("link", name="System")).to_be_visible()
        await expect(page.get_by_role("link", name="Events")).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
async def test_it_is_accessible_and_fits(browser: Browser, kept: Kept, width: int, scheme: str):
    kept.store(
        found(1), found(2, "yard", kind=EventKind.CLEAR, answer="no"), told(3, "A red truck unloads boxes. " * 4)
    )
    async with sound_page(
        browser,
        kept.url,
        again=True,
        viewport={"width": width, "height": 740},
        color_scheme=scheme,
        reduced_motion="reduce",
    ) as page:
        await shown(page, VIEW)
        await expect(rows(page)).to_have_count(3)
        assert await serious_findings(page) == []
        assert not await is_wider_than_its_window(page)
