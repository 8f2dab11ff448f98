"""``hermes publish``: one camera, video file or directory of pictures to Kafka."""

from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.console.output import progress_console, write_json
from hermes_ray.cli.publish.packing import Encoding, MessagePacker, publish_all
from hermes_ray.cli.publish.progress import PublishProgress
from hermes_ray.cli.publish.source import Seconds, Source, SourceFile, named_source
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.config import SOURCE_VARIABLE, KafkaSettings
from hermes_ray.errors import PublishFailed
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.opening import holds_password, open_source, shown_name
from hermes_ray.video.sources.punctual import punctual
from hermes_ray.video.sources.watched import Watched

_AHEAD_S = 5.0
"""Capture times that are ahead of the clock by more are worth a word, seconds."""


def publish(
    stream: Annotated[str, typer.Option("--stream", help="Stream id: A-Z a-z 0-9 . _ - (the Kafka key).")],
    source: Source = None,
    source_file: SourceFile = None,
    bootstrap: Bootstrap = None,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="The most frames per second to publish.")] = 5.0,
    encoding: Annotated[Encoding, typer.Option(help="How frames travel.")] = Encoding.MP4,
    segment_seconds: Annotated[float, typer.Option(min=0.1, max=30, help="Video time per segment, at most.")] = 1.0,
    max_side: Annotated[int, typer.Option(min=32, help="Shrink larger frames to this, pixels.")] = 1280,
    seconds: Seconds = None,
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
    limits, max_bytes = DecodeLimits.from_settings(settings.video), settings.kafka.max_record_bytes
    opened = open_source(named, fps=fps, loop=loop, realtime=not fast, limits=limits, on_fault=progress.source_away)
    name = shown_name(opened, named)
    watched = Watched(opened, fps, seconds)
    if source is not None and holds_password(opened):
        console.print(
            f"[yellow]everyone on this machine can read the password in SOURCE out of the process list:[/] "
            f"use --source-file or the variable {SOURCE_VARIABLE} instead",
            soft_wrap=True,
        )
    packer = MessagePacker(stream, encoding, fps, segment_seconds, max_side, limits=limits, max_record_bytes=max_bytes)
    _publish(watched, name, packer, settings.kafka, progress, console, paced=watched.is_live or not fast)
    _say_what_was_left_out(watched, name, console)
    if as_json:
        write_json({"stream": stream, **progress.confirmed(), "left_out": watched.left_out()})
    if not progress.frames:
        raise CommandFailed(f"no frame of {name} was published")


def _publish(
    watched: Watched,
    name: str,
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
        progress.connecting(name)
        frames = watched.frames(progress.source_here)
        publish_all(
            punctual(frames, packer.patience_s) if paced else frames,
            packer,
            producer.send,
            progress.published,
            progress.broker_away,
        )
        with suppress(PublishFailed):  # counts attempts that were made good since
            producer.flush()


def _say_what_was_left_out(watched: Watched, name: str, console: Console) -> None:
    """Say also what a consumer may leave out."""
    left_out = [f"{count} {reason}" for reason, count in watched.left_out().items() if count]
    if left_out:
        console.print(f"[yellow]left out of {escape(name)}:[/] {', '.join(left_out)}", soft_wrap=True)
    if watched.ahead_s() > _AHEAD_S:
        console.print(
            f"[yellow]the capture times are {watched.ahead_s():.0f} s ahead of the clock:[/] "
            f"what is published to this stream before then counts as late and is left out of its memory",
            soft_wrap=True,
        )
