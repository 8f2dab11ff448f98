"""Makes the documentation's picture of one camera: ``python -m tests.console.programs.screenshot_camera FILE.png``."""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from playwright.async_api import async_playwright, expect

from hermes_ray.api.engine_backend import EngineBackend
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.video.sources.simulated import SimulatedCamera
from hermes_ray.video.world import Traffic
from tests.console.conftest import FLAGS, program, shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.footage import FPS, remembering
from tests.unit.api.conftest import app_of, on_socket

STREAM = "crossing-north"
SEED = 9
SECONDS = 600
AT_ONCE = 64
QUESTION = "what came first ?"
"""Its answer rests on what happened ten minutes before, and is right."""


def remember(engine: StreamEngine) -> None:
    """Show the engine ten minutes of a street with little traffic, up to now."""
    start_ms = round((time.time() - SECONDS) * 1000)
    traffic = Traffic(mean_gap_s=20.0, quiet_share=0.0, overlap_share=0.3)
    frames = SimulatedCamera(SEED, fps=FPS, seconds=SECONDS, start_ts_ms=start_ms, traffic=traffic).frames()
    while batch := list(itertools.islice(frames, AT_ONCE)):
        engine.ingest(STREAM, [frame.image for frame in batch], [frame.ts_ms for frame in batch]).result(300)


async def take(url: str, target: Path) -> None:
    """Ask, and take it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        window = {"width": 1280, "height": 812}
        async with sound_page(
            Browser(browser), url, viewport=window, color_scheme="light", device_scale_factor=1.5
        ) as page:
            await shown(page, f"#/camera/{STREAM}")
            await page.get_by_role("textbox").fill(QUESTION)
            await page.keyboard.press("Enter")
            await expect(page.locator(".answer[data-state=done] .evidence img").last).to_have_js_property(
                "complete", True
            )
            await page.wait_for_function(
                "() => [...document.querySelectorAll('.map-strip img:not([hidden]), .evidence img')]"
                ".every((image) => image.naturalWidth > 0)"
            )
            await page.screenshot(path=target)
        await browser.close()


def main() -> None:
    """Film, serve, take."""
    with remembering("hermes-tiny", budget_tokens=504) as engine:
        remember(engine)
        settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
        with on_socket(app_of(EngineBackend(engine), settings)) as url:
            asyncio.run(take(url, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
