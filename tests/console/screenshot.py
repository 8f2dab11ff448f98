"""Makes the documentation's picture of the console: ``python -m tests.console.screenshot docs/images/console.png``."""

import asyncio
import random
import sys
import time
from pathlib import Path

from playwright.async_api import async_playwright

from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from tests.console.conftest import FLAGS, program, shown, sound_page
from tests.console.footage import film, remembering
from tests.console.staged import StagedBackend
from tests.unit.api.conftest import app_of, on_socket

FRAMES = 90
"""At world time 44.5 s something passes each of these cameras."""
CAMERAS = {
    "bridge-east": 32,
    "bridge-west": 22,
    "bus-lane-1": 42,
    "car-park": 50,
    "crossing-north": 38,
    "crossing-south": 33,
    "depot-gate": 12,
    "depot-yard": 49,
    "loading-dock-1": 31,
    "loading-dock-2": 18,
    "playground": 46,
    "river-path": 43,
    "school-lane": 15,
    "square": 37,
    "station-front": 25,
}
"""Seed of each camera's world."""


async def take(url: str, target: Path) -> None:
    """Take it, as a wide window shows it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        window = {"width": 1280, "height": 888}
        async with sound_page(browser, url, viewport=window, color_scheme="dark", device_scale_factor=1.5) as page:
            await shown(page, "")
            await page.wait_for_function(
                "() => [...document.querySelectorAll('a.camera img')].every((image) => image.naturalWidth > 0)"
            )
            await page.screenshot(path=target)
        await browser.close()


def main() -> None:
    """Film, serve, take."""
    chance = random.Random(8)  # for figures that look like those of a day
    with remembering("hermes-tiny", slots=len(CAMERAS)) as engine:
        backend = StagedBackend(engine)
        now_ms = round(time.time() * 1000)
        for name, seed in CAMERAS.items():
            silent_ms = 754_000 if name == "station-front" else 400
            film(engine, name, seed, FRAMES, now_ms - silent_ms, apart_ms=chance.randrange(60_000, 600_000))
            backend.changes[name] = {"lag_ms": chance.uniform(180, 480), "state": StreamState.LIVE}
        backend.changes["school-lane"] = {"lag_ms": 42_300.0, "state": StreamState.BEHIND}
        backend.changes["station-front"] = {}
        settings = Settings(api=ApiSettings(access=AccessSettings(audit="off")))
        with on_socket(app_of(backend, settings)) as url:
            asyncio.run(take(url, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
