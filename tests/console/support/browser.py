"""A browser whose pages may be used again: to open one costs more than most tests do in it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import playwright.async_api
from playwright.async_api import BrowserContext, Page

LIMIT_MS = 60_000
"""For what must come in a browser; a busy machine is slow, and not wrong."""
_MOST_IDLE = 4
_WITHOUT_ICON = '<link rel="icon" href="data:,">'
"""A page that names no icon makes the browser ask the host for ``/favicon.ico``, soon or late."""
_OF_A_PAGE = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "light", "reduced_motion": "no-preference"}
"""Options that can be changed while a page is open, and Playwright's values for those that are not given."""


@dataclass
class Tab:
    """A page that is alone in its browser context.

    Attributes:
        context: its context.
        page: the page.
        wrong: errors in its scripts, and requests to other hosts, since it was taken.
    """

    context: BrowserContext
    page: Page
    wrong: list[str] = field(default_factory=list)


class Browser:
    """Opens pages, and keeps some of those that are over.

    Args:
        started: Playwright's browser.
    """

    def __init__(self, started: playwright.async_api.Browser) -> None:
        self._started = started
        self._idle: dict[str, Tab] = {}

    async def take(self, url: str, options: dict[str, Any]) -> Tab:
        """A page as if it were new, without cookies, storage and cache; routes and scripts that it was given stay.

        Args:
            url: of the API.
            options: of Playwright's ``new_context``.
        """
        tab = self._idle.pop(_key(url, options), None)
        if tab is None:
            return await self.open(url, options)
        now = {**_OF_A_PAGE, **options}
        await tab.page.set_viewport_size(now["viewport"])
        await tab.page.emulate_media(color_scheme=now["color_scheme"], reduced_motion=now["reduced_motion"])
        await tab.page.mouse.move(0, 0)
        tab.wrong.clear()
        return tab

    async def open(self, url: str, options: dict[str, Any]) -> Tab:
        """A new page in a context of its own."""
        context = await self._started.new_context(base_url=url, locale="en-GB", **options)
        context.set_default_timeout(LIMIT_MS)
        tab = Tab(context, await context.new_page())
        tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
        tab.page.on("request", lambda sent: None if _is_ours(sent.url, url) else tab.wrong.append(sent.url))
        tab.page.on(
            "console", lambda said: tab.wrong.append(said.text) if "Content Security Policy" in said.text else None
        )
        return tab

    async def give_back(self, tab: Tab, url: str, options: dict[str, Any]) -> None:
        """Keep a page for the next one; what it held open with the API ends, and what it stored is gone."""
        await tab.page.route(
            blank := f"{url}/blank", lambda route: route.fulfill(content_type="text/html", body=_WITHOUT_ICON)
        )
        await tab.page.goto(blank)
        await tab.page.unroute(blank)
        await tab.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        session = await tab.context.new_cdp_session(tab.page)
        await session.send("Network.clearBrowserCache")
        await session.detach()
        await tab.context.clear_cookies()
        self._idle[_key(url, options)] = tab
        if len(self._idle) > _MOST_IDLE:
            oldest = next(iter(self._idle))
            await self._idle.pop(oldest).context.close()


@asynccontextmanager
async def sound_page(browser: Browser, url: str, *, again: bool = False, **options: Any) -> AsyncIterator[Page]:
    """A page of a browser context of its own; an error in its scripts, or a request to another host, fails at the end.

    Args:
        browser: the browser.
        url: of the API.
        again: whether it may be one that was used before, and may be used again. Not for those who change the page's
            clock or its scripts, and of no use where the API has an address of its own.
        options: of Playwright's ``new_context``, such as ``viewport`` or ``color_scheme``.
    """
    tab = await (browser.take if again else browser.open)(url, options)
    ended = False
    try:
        yield tab.page
        ended = again
    finally:
        if not ended:
            await tab.context.close()
    if again:
        await browser.give_back(tab, url, options)
    assert tab.wrong == []


def _is_ours(address: str, url: str) -> bool:
    return address.startswith((url, "blob:", "data:"))


def _key(url: str, options: dict[str, Any]) -> str:
    return json.dumps([url, {name: value for name, value in options.items() if name not in _OF_A_PAGE}], sort_keys=True)
