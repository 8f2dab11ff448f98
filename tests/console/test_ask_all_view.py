"""One question to many cameras."""

import pytest
from playwright.async_api import Page, expect

from hermes_ray.cluster.wire.stream_settings import StreamSettings
from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import WorkerUnavailable
from tests.console.conftest import STREAMS, shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.held_answers import serving

QUESTION = "what came first ?"


async def ask(page: Page, question: str) -> None:
    await page.get_by_role("textbox", name="Question to all cameras that are shown").fill(question)
    await page.keyboard.press("Enter")


async def test_every_camera_answers_for_itself(page: Page, engine: StreamEngine):
    await shown(page, "#/ask")
    await ask(page, QUESTION)
    await expect(page.get_by_role("status").filter(has_text="answered")).to_have_text(f"{len(STREAMS)} of 3 answered")
    for stream in STREAMS:
        truth = engine.ask(stream, Question(QUESTION)).result(60)
        card = page.locator(f".ask-card[data-id={stream}]")
        await expect(card.locator(".answer-text")).to_have_text(truth.text.strip())
        await expect(card.locator(".evidence img").first).to_have_js_property("naturalWidth", 320)
        await expect(card.locator(".ask-picture img")).to_have_js_property("naturalWidth", 320)
    await page.get_by_role("link", name="yard").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("yard")


async def test_answers_come_one_by_one_and_one_that_fails_concerns_no_other(
    browser: Browser, engine: StreamEngine, port: int
):
    with serving(engine, port) as (backend, url):
        backend.held = {"street-2"}
        backend.failures["yard"] = [WorkerUnavailable("its worker restarts")]
        async with sound_page(browser, url, again=True) as page:
            await shown(page, "#/ask")
            await ask(page, QUESTION)
            progress = page.get_by_role("status").filter(has_text="answered")
            await expect(progress).to_have_text("1 of 3 answered, 1 could not")
            await expect(page.locator("[data-id=street-2] .answer")).to_have_attribute("data-state", "waiting")
            await expect(page.locator("[data-id=yard] .failure")).to_contain_text("its worker restarts")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator("[data-id=street-2]")).to_contain_text("You stopped this answer.")
            backend.held = set()
            backend.released.set()
            await ask(page, "is there a red car in view ?")
            await expect(progress).to_have_text("3 of 3 answered")
            await expect(page.locator(".failure")).to_have_count(0)


@pytest.mark.parametrize(("search", "asked"), [("street", {"street-1", "street-2"}), ("site=north", {"yard"})])
async def test_only_the_cameras_that_are_shown_are_asked(
    browser: Browser, engine: StreamEngine, port: int, search: str, asked: set[str]
):
    with serving(engine, port) as (backend, url):
        backend.changes["yard"] = {"settings": StreamSettings(labels={"site": "north"})}
        async with sound_page(browser, url, again=True) as page:
            await shown(page, "#/ask")
            await page.get_by_role("searchbox", name="Name or label").fill(search)
            await expect(page.locator(".ask-card")).to_have_count(len(asked))
            await ask(page, QUESTION)
            await expect(page.locator(".answer[data-state=done]")).to_have_count(len(asked))
        assert {stream for stream, _ in backend.asked} == asked


async def test_equal_answers_are_counted_and_picked(page: Page, engine: StreamEngine):
    question = "did a dog come ?"
    answers = {stream: engine.ask(stream, Question(question)).result(60).text.strip() for stream in STREAMS}
    common = max(answers.values(), key=list(answers.values()).count)
    count = list(answers.values()).count(common)
    assert count > 1
    await shown(page, "#/ask")
    await ask(page, question)
    await page.get_by_role("button", name=f"{count} {common}").click()
    await expect(page.locator(".ask-card")).to_have_count(count)
    await page.get_by_role("button", name=f"{count} {common}").click()
    await expect(page.locator(".ask-card")).to_have_count(len(STREAMS))


async def test_without_a_camera_there_is_nobody_to_ask(browser: Browser, engine: StreamEngine, port: int):
    with serving(engine, port) as (_, url):
        async with sound_page(browser, url, again=True) as page:
            await shown(page, "#/ask?q=nowhere")
            await expect(page.get_by_role("heading", name="No camera matches")).to_be_visible()
