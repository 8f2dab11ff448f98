"""Makes the documentation's picture of the console.

``python -m tests.console.programs.screenshot docs/images/console.png``
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI
from playwright.async_api import async_playwright, expect

from hermes_ray.api.application import create_app
from hermes_ray.cluster.wire.stream_state import StreamState
from hermes_ray.config import AccessSettings, ApiSettings, Settings
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import Event, EventKind
from tests.console.conftest import FLAGS, program, shown
from tests.console.support.browser import Browser, sound_page
from tests.console.support.footage import film, remembering
from tests.console.support.staged import StagedBackend
from tests.unit.api.conftest import on_socket
from tests.unit.events.conftest import line, match, store

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
MATCH, CLEAR = EventKind.MATCH, EventKind.CLEAR
FOUND = {
    "bridge-east": (CLEAR, "wrong-way", 5_400),
    "bridge-west": (MATCH, "wrong-way", 61_000),
    "bus-lane-1": (MATCH, "car-in-lane", 190),
    "crossing-north": (MATCH, "red-van", 41),
    "crossing-south": (MATCH, "red-van", 2_300),
    "depot-gate": (MATCH, "gate-open", 7_900),
    "loading-dock-1": (MATCH, "truck-at-dock", 12),
    "loading-dock-2": (MATCH, "truck-at-dock", 840),
    "playground": (MATCH, "dog", 19_000),
    "station-front": (CLEAR, "crowd", 800),
}
"""The newest event of a standing question, and how many seconds ago."""
JOURNALS = {"car-park": ("Two cars leave, one after the other.", 300), "square": ("A cyclist crosses.", 1_500)}
"""The newest line of a journal, and how many seconds ago."""


def events_of(now_ms: int) -> Iterator[Event]:
    """What the cards are to show."""
    for camera, (kind, rule, ago_s) in FOUND.items():
        answer = "no" if kind is CLEAR else "yes"
        captured_ms = now_ms - 1000 * ago_s
        yield match(1, camera, rule, answer, kind=kind, captured_ms=captured_ms, evidence=())
    for camera, (text, ago_s) in JOURNALS.items():
        yield replace(line(1, text, camera), captured_ms=now_ms - 1000 * ago_s)


@contextmanager
def keeping(backend: StagedBackend, settings: Settings) -> Iterator[FastAPI]:
    """The application over a backend that keeps those events."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EventDatabase(f"sqlite:///{folder}/events.sqlite", settings.events) as database,
    ):
        database.prepare()
        store(EventWriter(database, 0), *events_of(round(time.time() * 1000)))

        @asynccontextmanager
        async def open_backend() -> AsyncIterator[StagedBackend]:
            backend.events = events = LocalEvents(database)
            yield backend
            events.close()

        yield create_app(open_backend, settings)


async def take(url: str, target: Path) -> None:
    """Take it, as a wide window shows it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=list(FLAGS))
        window = {"width": 1280, "height": 972}
        async with sound_page(
            Browser(browser), url, viewport=window, color_scheme="dark", device_scale_factor=1.5
        ) as page:
            await shown(page, "")
            await page.wait_for_function(
                "() => [...document.querySelectorAll('a.camera img')].every((image) => image.naturalWidth > 0)"
            )
            await expect(page.locator(".newest-event[href]")).to_have_count(len(FOUND) + len(JOURNALS))
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
        with keeping(backend, settings) as app, on_socket(app) as url:
            asyncio.run(take(url, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
