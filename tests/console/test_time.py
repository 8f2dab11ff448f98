"""Times as a visitor reads them: in their own zone, with the date where it matters, and never the year 1970."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page

from tests.console.support.browser import Browser, sound_page

NOW = datetime(2026, 3, 5, 1, 30, 0, tzinfo=UTC)
"""In New York still the fourth of March, 20:30."""
UNKNOWN = "\N{EN DASH}"


@pytest.fixture(scope="module")
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with sound_page(browser, url, timezone_id="America/New_York") as page:
        await page.goto("/")
        yield page


async def said(page: Page, what: str, *values: Any) -> str:
    return await page.evaluate(
        """async ([what, values]) => {
            const { createTime } = await import("/console/time.js");
            const { language, text } = await import("/console/text/en.js");
            return createTime(text.time, language)[what](...values);
        }""",
        [what, list(values)],
    )


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (NOW - timedelta(hours=2), "18:30:00"),
        (NOW - timedelta(hours=21), "Mar 3, 23:30:00"),  # in UTC it would be of yesterday, the fourth
        (NOW - timedelta(days=364), "Mar 5, 2025, 20:30:00"),
        (datetime(1970, 1, 1, tzinfo=UTC), UNKNOWN),
        (datetime(1970, 1, 20, tzinfo=UTC), UNKNOWN),  # seconds that were taken for milliseconds
    ],
)
async def test_a_moment(page: Page, moment: datetime, expected: str):
    assert await said(page, "at", ms(moment), ms(NOW)) == expected


async def test_what_is_unknown_is_no_time(page: Page):
    for unknown in (None, "NaN", 0, -1):
        assert await said(page, "at", unknown) == UNKNOWN
        assert await said(page, "ago", unknown) == UNKNOWN


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(milliseconds=850), "850 ms"),
        (timedelta(seconds=4.24), "4.2 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=3, seconds=50), "3 min"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(days=12, hours=4, minutes=59), "12 d 4 h"),
        (timedelta(seconds=-5), "0 ms"),  # of a clock that was set back
    ],
)
async def test_a_length_of_time(page: Page, length: timedelta, expected: str):
    assert await said(page, "span", length / timedelta(milliseconds=1)) == expected
