"""One run of the demo: what is started in which order, what is shown, what is promised at the end."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.live import Live

from hermes_ray import config
from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.cli.console.exits import CommandFailed, say_failure
from hermes_ray.cli.console.output import progress_console, write_json
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.demo import report, screen
from hermes_ray.cli.demo.asking import QuestionLoop, ask_about
from hermes_ray.cli.demo.browser import open_console
from hermes_ray.cli.demo.cameras import Camera, footage_cameras, simulated_cameras
from hermes_ray.cli.demo.questions import Exchange
from hermes_ray.cli.demo.scenario import FOOTAGE, Scenario, settings_overrides
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.running.system import preferred_or_free, start_system
from hermes_ray.client import HermesClient
from hermes_ray.config import LogSettings, Settings
from hermes_ray.errors import ApiUnreachable, ClusterError, Overloaded, SourceError
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.producer import FrameProducer
from hermes_ray.transport.topics import ensure_topics
from hermes_ray.video.footage import real_footage

_HOST = "127.0.0.1"
_PREFERRED_PORT = 8000
_SETTLE_TIMEOUT_S = 120.0
_PAUSE_BETWEEN_QUESTIONS_S = 3.0
_LINES_EVERY_S = 10.0
"""Between two tables where there is no terminal to refresh one in, seconds."""


class Demo:
    """The running demo: its cameras, its system, and what they did so far."""

    def __init__(self, plan: Scenario, settings: Settings, cameras: Sequence[Camera], url: str) -> None:
        self.plan = plan
        self.settings = settings
        self.cameras = cameras
        self.url = url
        self._seen: list[StreamResponse] = []

    @property
    def published(self) -> dict[str, int]:
        """Frames that the broker has confirmed, per stream id."""
        return {camera.stream_id: camera.frames_published for camera in self.cameras}

    def look(self, client: HermesClient) -> list[StreamResponse]:
        """The streams as the API lists them; as last seen while it is too busy to tell."""
        with suppress(Overloaded, ClusterError, ApiUnreachable):
            self._seen = client.streams()
        return self._seen


def run_demo(
    plan: Scenario, *, port: int | None, assignments: Mapping[str, Any], as_json: bool, open_browser: bool = False
) -> None:
    """Run the demo to its end.

    Args:
        plan: cameras and duration.
        port: of the HTTP API; 0 picks a free one, ``None`` takes 8000 if that is free.
        assignments: settings that the user set by hand.
        as_json: write the report to stdout when everything has ended.
        open_browser: show the console.

    Raises:
        CommandFailed: a frame was lost, or a memory outgrew its budget.
        HermesError: something could not be started.
    """
    console = progress_console()
    configure_logs(LogSettings(level="ERROR"))  # a log line would tear the live table apart
    steps = Steps(console)
    with Lifecycle(console.print) as lifecycle:
        demo, producer = _start(plan, port, assignments, lifecycle, steps)
        for camera in demo.cameras:
            lifecycle.at_end(camera.close)
            camera.start(producer.send)
        if open_browser:
            open_console(demo.url, steps.say)
        with HermesClient(demo.url) as client:
            exchanges = _run_once(demo, client, steps) if plan.seconds else _run_live(demo, client, lifecycle, console)
            streams = client.streams()
        console.print("stopping")
    if as_json:
        write_json(_report(demo, streams, exchanges, steps))
    if plan.seconds:
        _check(demo, streams)


def _start(
    plan: Scenario, port: int | None, assignments: Mapping[str, Any], lifecycle: Lifecycle, steps: Steps
) -> tuple[Demo, FrameProducer]:
    port = preferred_or_free(_HOST, _PREFERRED_PORT) if port is None else port
    clips = _fetch_footage(steps) if plan.footage else []
    # Its broker forgets everything, and so does what it found out.
    kept = lifecycle.enter(TemporaryDirectory(prefix="hermes-demo-", ignore_cleanup_errors=True))
    events = {"database": f"sqlite:///{kept}/events.sqlite"} | dict(assignments.get("events", {}))
    with_events = {**assignments, "events": events}
    with steps.step("starting a Kafka broker"):
        broker = lifecycle.enter(EmbeddedBroker())
        streams = plan.simulated_cameras + len(FOOTAGE)
        settings = config.load(overrides=settings_overrides(broker.bootstrap_servers, port, streams, with_events))
        ensure_topics(settings.kafka)
    url = start_system(settings, lifecycle, steps)
    producer = FrameProducer(settings.kafka)
    lifecycle.at_end(producer.close)
    # A recording ends about now; a live camera begins now.
    start_ts_ms = round((time.time() - (plan.seconds or 0.0)) * 1000)
    cameras = simulated_cameras(plan, start_ts_ms) + footage_cameras(clips, plan, start_ts_ms)
    return Demo(plan, settings, cameras, url), producer


def _fetch_footage(steps: Steps) -> list[Path]:
    try:
        with steps.step("fetching real footage"):
            return real_footage()
    except SourceError as error:
        say_failure(error)
        steps.say("going on with the simulated cameras")
        return []


def _run_once(demo: Demo, client: HermesClient, steps: Steps) -> list[Exchange]:
    with steps.step(f"publishing {demo.plan.seconds:.0f} s of video from {len(demo.cameras)} cameras"):
        while any(camera.is_publishing for camera in demo.cameras):
            time.sleep(0.1)
    with steps.step("waiting until every frame is in its memory"):
        _wait_until_settled(demo, client)
    with steps.step("asking every stream"):
        streams = {stream.id: stream for stream in client.streams()}
        return [
            exchange
            for camera in demo.cameras
            if camera.stream_id in streams
            for exchange in ask_about(client, streams[camera.stream_id], camera.questions, range(camera.turns))
        ]


def _wait_until_settled(demo: Demo, client: HermesClient) -> None:
    # A frame that never arrives is found here by time and named by the checks that follow.
    deadline = time.monotonic() + _SETTLE_TIMEOUT_S
    while time.monotonic() < deadline and not report.is_settled(demo.published, client.streams()):
        time.sleep(0.2)


def _run_live(demo: Demo, client: HermesClient, lifecycle: Lifecycle, console: Console) -> Sequence[Exchange]:
    questions = {camera.stream_id: camera.questions for camera in demo.cameras}
    loop = QuestionLoop(demo.url, questions, _PAUSE_BETWEEN_QUESTIONS_S, say_failure)
    lifecycle.at_end(loop.close)
    loop.start()
    footer = [*_notes(demo), *screen.where_to_ask(demo.url, demo.cameras[0].stream_id)]

    def picture() -> Any:
        return screen.picture(demo.look(client), demo.published, list(loop.exchanges), footer)

    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            lifecycle.wait_until_stopped(lambda: live.update(picture(), refresh=True))
    else:
        console.print(*footer, sep="\n", soft_wrap=True)
        lifecycle.wait_until_stopped(lambda: console.print(picture()), _LINES_EVERY_S)
    loop.close()
    return loop.exchanges


def _notes(demo: Demo) -> list[str]:
    note = report.note_about(demo.settings.model.name)
    return [f"[yellow]{note}[/]"] if note else []


def _report(
    demo: Demo, streams: Sequence[StreamResponse], exchanges: Sequence[Exchange], steps: Steps
) -> dict[str, Any]:
    return report.build_report(
        model=demo.settings.model.name,
        published=demo.published,
        streams=streams,
        exchanges=exchanges,
        wall_s=steps.elapsed_s,
    )


def _check(demo: Demo, streams: Sequence[StreamResponse]) -> None:
    problems = report.broken_promises(demo.published, streams)
    problems += [f"{camera.stream_id}: stopped publishing: {camera.error}" for camera in demo.cameras if camera.error]
    if problems:
        raise CommandFailed("; ".join(problems))
