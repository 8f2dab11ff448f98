"""Measures how smoothly the grid of cameras scrolls: ``python -m tests.console.programs.scrolling [CAMERAS]``.

Four seconds of scrolling by 25 pixels a frame, three times. What a frame costs is the page's own account (Chromium's
``Performance.getMetrics``); how many there were depends on whatever else the machine does, which an empty page shows.
"""

import asyncio
import sys
from typing import Any

from playwright.async_api import CDPSession, Page, async_playwright

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from tests.console.conftest import FLAGS, program, shown
from tests.console.support.browser import Browser, sound_page
from tests.console.test_many_cameras import CAMERAS, remembering_many
from tests.unit.api.conftest import app_of, on_socket

SCROLL = """() => new Promise((done) => {
    const lasted = [];
    const began = performance.now();
    let last = began;
    scrollTo(0, 0);
    requestAnimationFrame(function frame() {
        const now = performance.now();
        lasted.push(now - last);
        last = now;
        scrollBy(0, 25);
        if (now - began < 4000) return requestAnimationFrame(frame);
        lasted.sort((a, b) => a - b);
        done({ frames: lasted.length, fps: (1000 * lasted.length) / (now - began),
            median: lasted[lasted.length >> 1], p95: lasted[Math.floor(0.95 * lasted.length)] });
    });
})"""
EMPTY = """() => {
    const tall = document.createElement("div");
    tall.style.height = `${document.documentElement.scrollHeight}px`;
    document.querySelector("main").replaceChildren(tall);
}"""
COSTS = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")


async def costs(session: CDPSession) -> dict[str, float]:
    found: dict[str, Any] = await session.send("Performance.getMetrics")
    return {metric["name"]: 1000 * metric["value"] for metric in found["metrics"] if metric["name"] in COSTS}


async def report(page: Page, session: CDPSession, what: str) -> None:
    before = await costs(session)
    found = await page.evaluate(SCROLL)
    spent = sum((await costs(session)).values()) - sum(before.values())
    print(
        f"{what}: {found['fps']:.0f} frames a second, median {found['median']:.1f} ms, "
        f"95 % within {found['p95']:.1f} ms; script, style and layout {spent / found['frames']:.1f} ms a frame"
    )


async def measure(url: str) -> None:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        browser = Browser(started)
        async with sound_page(browser, url, viewport={"width": 1280, "height": 800}) as page:
            await shown(page, "")
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            for _ in range(3):
                await report(page, session, "the cameras")
            await page.evaluate(EMPTY)
            await report(page, session, "an empty page of that height")
        await started.close()


def main() -> None:
    cameras = int(sys.argv[1]) if len(sys.argv) > 1 else CAMERAS
    with remembering_many(cameras) as engine:
        settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
        with on_socket(app_of(EngineBackend(engine), settings)) as url:
            asyncio.run(measure(url))


if __name__ == "__main__":
    main()
