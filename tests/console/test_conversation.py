"""Questions to one camera: answers as they are written, what they rest on, and what becomes of them."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from hermes_ray.engine import Question, StreamEngine
from hermes_ray.errors import Overloaded
from tests.console.conftest import shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.held_answers import HeldAnswers, serving
from tests.unit.api.conftest import eventually

STREAM = "street-1"
QUESTION = "what came first ?"
FOLLOW_UP = "what came last ?"


@pytest.fixture
def held(engine: StreamEngine, port: int) -> Iterator[tuple[HeldAnswers, str]]:
    with serving(engine, port) as served:
        yield served


async def ask(page: Page, question: str) -> None:
    await page.get_by_role("textbox", name=f"Question to {STREAM}").fill(question)
    await page.keyboard.press("Enter")


async def test_an_answer_comes_with_its_age_and_lights_up_what_it_rests_on(page: Page, engine: StreamEngine):
    await shown(page, f"#/camera/{STREAM}")
    await ask(page, QUESTION)
    truth = engine.ask(STREAM, Question(QUESTION)).result(60)
    turn = page.locator(".turn")
    await expect(turn.locator(".answer-text")).to_have_text(truth.text.strip())
    await expect(turn.locator(".answer-facts")).to_contain_text("as of")
    await expect(turn.locator(".answer-facts")).to_contain_text("old when answered")
    pictures = turn.locator(".evidence img")
    await expect(pictures).to_have_count(len(truth.evidence))
    for picture in await pictures.all():
        await expect(picture).to_have_js_property("naturalWidth", 320)
    await expect(page.locator(".map-line")).to_have_count(len(truth.evidence))
    await turn.locator(".evidence button").first.focus()
    share = truth.evidence[0].weight
    await expect(turn.locator(".evidence button").first).to_contain_text(f"{share:.0%}".replace("%", " %"))
    await expect(page.locator(".map-card")).to_be_visible()


async def test_a_follow_up_continues_the_conversation_until_a_new_one_begins(
    browser: Browser, held: tuple[HeldAnswers, str]
):
    backend, url = held
    async with sound_page(browser, url, again=True) as page:
        await shown(page, f"#/camera/{STREAM}")
        for number, question in enumerate((QUESTION, FOLLOW_UP), 1):
            await ask(page, question)
            await expect(page.locator(".answer[data-state=done]")).to_have_count(number)
        await expect(page.locator(".turn.lit .turn-question")).to_contain_text(FOLLOW_UP)
        await page.get_by_role("button", name="Show in the map").click()
        await expect(page.locator(".turn.lit .turn-question")).to_contain_text(QUESTION)
        await page.get_by_role("button", name="New conversation").click()
        await expect(page.locator(".turn")).to_have_count(0)
        await expect(page.locator(".map-line")).to_have_count(0)
        await ask(page, QUESTION)
        await expect(page.locator(".answer[data-state=done]")).to_have_count(1)
    sessions = [question.session_id for _, question in backend.asked]
    assert sessions[0] == sessions[1] != sessions[2]
    assert None not in sessions


async def test_an_answer_is_read_while_it_is_written_and_can_be_stopped(
    browser: Browser, held: tuple[HeldAnswers, str]
):
    backend, url = held
    backend.held = {STREAM}
    async with sound_page(browser, url, again=True) as page:
        await shown(page, f"#/camera/{STREAM}")
        await ask(page, QUESTION)
        await expect(page.locator(".answer[data-state=streaming] .answer-text")).to_have_text("a")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".answer[data-state=stopped]")).to_contain_text("You stopped this answer.")
        assert await eventually(lambda: backend.cancelled == 1)
        backend.held = set()
        backend.released.set()
        await ask(page, FOLLOW_UP)
        await expect(page.locator(".answer[data-state=done]")).to_have_count(1)


async def test_what_goes_wrong_is_said_in_the_apis_words_and_can_be_tried_again(
    browser: Browser, held: tuple[HeldAnswers, str]
):
    backend, url = held
    backend.failures[STREAM] = [Overloaded("64 questions wait already", retry_after_s=1.0)]
    async with sound_page(browser, url, again=True) as page:
        await shown(page, f"#/camera/{STREAM}")
        await ask(page, QUESTION)
        failure = page.locator(".failure")
        await expect(failure).to_contain_text("Too many questions are waiting")
        await expect(failure).to_contain_text("64 questions wait already")
        await failure.get_by_role("button", name="Ask again", exact=True).click()
        await expect(page.locator(".answer[data-state=done]")).to_have_count(1)
        await ask(page, "what is in view now ? " * 90)
        await expect(failure).to_contain_text("The question cannot be asked")


async def test_a_connection_that_breaks_is_no_answer(browser: Browser, held: tuple[HeldAnswers, str]):
    _, url = held
    async with sound_page(browser, url, again=True) as page:
        await shown(page, f"#/camera/{STREAM}")
        await page.route("**/query", lambda route: route.abort())
        await ask(page, QUESTION)
        await expect(page.locator(".failure")).to_contain_text("The API does not answer")
        await page.unroute("**/query")
        await page.get_by_role("button", name="Ask again").click()
        await expect(page.locator(".answer[data-state=done]")).to_have_count(1)


async def test_an_answer_that_says_nothing_any_more_is_given_up(browser: Browser, held: tuple[HeldAnswers, str]):
    backend, url = held
    backend.held = {STREAM}
    async with sound_page(browser, url) as page:
        await page.clock.install()
        await shown(page, f"#/camera/{STREAM}")
        await ask(page, QUESTION)
        await expect(page.locator(".answer[data-state=streaming] .answer-text")).to_have_text("a")
        await page.clock.fast_forward(36_000)
        await expect(page.locator(".failure")).to_contain_text("The answer broke off")
        assert await eventually(lambda: backend.cancelled == 1)
