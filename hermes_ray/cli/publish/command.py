"""``hermes publish``: a video file, an RTSP camera or a simulated camera to Kafka."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, write_json
from hermes_ray.cli.publish.packing import Encoding, MessagePacker, excerpt, publish_all
from hermes_ray.cli.publish.progress import PublishProgress
from hermes_ray.cli.publish.source import named_source, open_source
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import SOURCE_VARIABLE, KafkaSettings
from hermes_ray.errors import PublishFailed
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler
from hermes_ray.video.sources.punctual import punctual

if TYPE_CHECKING:
    from hermes_ray.video.sources.base import Source

_AHEAD_S = 5.0
"""Capture times that are ahead of the clock by more are worth a word, seconds."""


def publish(
    stream: Annotated[str, typer.Option("--stream", help="Stream id: A-Z a-z 0-9 . _ - (the Kafka key).")],
    source: Annotated[
        str | None,
        typer.Argument(
            help=f"A video file, rtsp://HOST/PATH, or sim://SEED; by default the variable {SOURCE_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    source_file: Annotated[
        Path | None,
        typer.Option("--source-file", help="Read SOURCE from this file: keeps a password out of the process list."),
    ] = None,
    bootstrap: Bootstrap = None,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="The most frames per second to publish.")] = 5.0,
    encoding: Annotated[Encoding, typer.Option(help="How frames travel.")] = Encoding.MP4,
    segment_seconds: Annotated[float, typer.Option(min=0.1, max=30, help="Video time per segment, at most.")] = 1.0,
    max_side: Annotated[int, typer.Option(min=32, help="Shrink larger frames to this, pixels.")] = 1280,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after this much video time.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start a file over at its end.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as possible instead of in real time.")] = False,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Publish video until it ends, or until Ctrl-C. A broker that goes away is waited for, and so is a camera."""
    settings = load_settings(config_file, assignments, bootstrap).settings
    configure_logs(settings.log)
    validate_stream_id(stream)
    console = progress_console()
    progress = PublishProgress(console)
    named = named_source(source, source_file)
    opened = open_source(named, fps=fps, loop=loop, realtime=not fast, on_fault=progress.source_away)
    watched = _Watched(opened, named, fps, seconds)
    if source is not None and watched.holds_password:
        console.print(
            f"[yellow]everyone on this machine can read the password in SOURCE out of the process list:[/] "
            f"use --source-file or the variable {SOURCE_VARIABLE} instead",
            soft_wrap=True,
        )
    limits, max_bytes = DecodeLimits.from_settings(settings.video), settings.kafka.max_record_bytes
    packer = MessagePacker(stream, encoding, fps, segment_seconds, max_side, limits=limits, max_record_bytes=max_bytes)
    _publish(watched, packer, settings.kafka, progress, console, paced=watched.is_camera or not fast)
    watched.say_what_was_left_out(console)
    if as_json:
        write_json({"stream": stream, **progress.confirmed(), "left_out": watched.left_out()})
    if not progress.frames:
        raise CommandFailed(f"no frame of {watched.name} was published")


def _publish(
    watched: "_Watched",
    packer: MessagePacker,
    kafka: KafkaSettings,
    progress: PublishProgress,
    console: Console,
    *,
    paced: bool,
) -> None:
    from hermes_ray.transport.producer import FrameProducer

    with Lifecycle(console.print) as lifecycle:
        lifecycle.enter(progress.shown())
        progress.connecting(f"Kafka at {kafka.bootstrap_servers}")
        producer = FrameProducer(kafka)
        lifecycle.at_end(producer.close)
        lifecycle.at_end(watched.close)
        progress.connecting(watched.name)
        frames = watched.frames(progress)
        publish_all(
            punctual(frames, packer.patience_s) if paced else frames,
            packer,
            producer.send,
            progress.published,
            progress.broker_away,
        )
        with suppress(PublishFailed):  # counts attempts that were made good since
            producer.flush()


class _Watched:
    """A source at the frame rate and of the length that were asked for, and what became of its frames."""

    def __init__(self, source: "Source", named: str, fps: float, seconds: float | None) -> None:
        from hermes_ray.video.sources.rtsp import RtspSource

        camera = source if isinstance(source, RtspSource) else None
        self.is_camera = camera is not None
        self.name = named if camera is None else camera.address.shown
        self.holds_password = camera is not None and camera.address.has_password
        self.close = source.close
        self._camera = camera
        self._source = source
        self._sampler = FrameSampler(fps)
        self._seconds = seconds
        self._newest_ms: int | None = None

    def frames(self, progress: PublishProgress) -> Iterator[Frame]:
        selected = self._sampler.sample(self._told(self._source.frames(), progress))
        for frame in excerpt(selected, self._seconds):
            self._newest_ms = frame.ts_ms
            yield frame

    def left_out(self) -> dict[str, int]:
        """Frames that were not published for another reason than the frame rate, by that reason."""
        camera = self._camera
        return {
            "late": self._sampler.state().late,
            "dropped": 0 if camera is None else camera.dropped,
            "damaged": 0 if camera is None else camera.damaged,
        }

    def say_what_was_left_out(self, console: Console) -> None:
        """Say also what a consumer may leave out."""
        left_out = [f"{count} {reason}" for reason, count in self.left_out().items() if count]
        if left_out:
            console.print(f"[yellow]left out of {escape(self.name)}:[/] {', '.join(left_out)}", soft_wrap=True)
        ahead_s = 0.0 if self._newest_ms is None else self._newest_ms / 1000 - time.time()
        if ahead_s > _AHEAD_S:
            console.print(
                f"[yellow]the capture times are {ahead_s:.0f} s ahead of the clock:[/] "
                f"what is published to this stream before then counts as late and is left out of its memory",
                soft_wrap=True,
            )

    @staticmethod
    def _told(frames: Iterable[Frame], progress: PublishProgress) -> Iterator[Frame]:
        for frame in frames:
            progress.source_here()
            yield frame
