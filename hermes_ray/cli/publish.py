"""``hermes publish``: a video file, an RTSP camera or a simulated camera to Kafka."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hermes_ray.cli.lifecycle import Lifecycle
from hermes_ray.cli.options import AsJson, Assignments, Bootstrap, ConfigFile, load_settings
from hermes_ray.cli.output import progress_console, write_json
from hermes_ray.cli.publishing import Encoding, MessagePacker, excerpt, publish_all
from hermes_ray.config import KafkaSettings
from hermes_ray.errors import PublishFailed, SourceError
from hermes_ray.observability.logs import configure_logs
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.video.frame import Frame
from hermes_ray.video.sampling import FrameSampler

if TYPE_CHECKING:
    from hermes_ray.video.sources.base import Source

_SIMULATED = "sim"
_RTSP = ("rtsp", "rtsps")


def publish(
    source: Annotated[str, typer.Argument(help="A video file, rtsp://HOST/PATH, or sim://SEED.")],
    stream: Annotated[str, typer.Option("--stream", help="Stream id: A-Z a-z 0-9 . _ - (the Kafka key).")],
    bootstrap: Bootstrap = None,
    fps: Annotated[float, typer.Option(min=0.1, max=60, help="The most frames per second to publish.")] = 5.0,
    encoding: Annotated[Encoding, typer.Option(help="How frames travel.")] = Encoding.MP4,
    segment_seconds: Annotated[float, typer.Option(min=0.1, max=30, help="Video time per segment.")] = 1.0,
    max_side: Annotated[int, typer.Option(min=32, help="Shrink larger frames to this, pixels.")] = 1280,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after this much video time.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start a file over at its end.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as possible instead of in real time.")] = False,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Publish video until it ends, or until Ctrl-C. A broker that goes away is waited for."""
    settings = load_settings(config_file, assignments, bootstrap).settings
    configure_logs(settings.log)
    validate_stream_id(stream)
    opened = open_source(source, fps=fps, loop=loop, realtime=not fast)
    packer = MessagePacker(stream, encoding, fps, segment_seconds, max_side)
    total = _publish(opened, packer, settings.kafka, lambda frames: excerpt(FrameSampler(fps).sample(frames), seconds))
    if as_json:
        write_json({"stream": stream, **total})


def open_source(source: str, *, fps: float, loop: bool, realtime: bool) -> "Source":
    """Make the source that a command line names; it is opened at its first frame.

    Args:
        source: a path, ``rtsp://...`` or ``sim://SEED``.
        fps: frame rate of a simulated camera.
        loop: start a file over at its end.
        realtime: pace a file or a simulated camera by its own clock.

    Raises:
        SourceError: no such file, or a seed that is no number.
    """
    from hermes_ray.video.sources.file import FileSource
    from hermes_ray.video.sources.rtsp import RtspSource
    from hermes_ray.video.sources.simulated import SimulatedCamera

    scheme = urlsplit(source).scheme
    if scheme == _SIMULATED:
        seed = source.removeprefix(f"{_SIMULATED}://")
        if not seed.isdecimal():
            raise SourceError(f"{source}: write a simulated camera as sim://SEED with a whole number, such as sim://7")
        return SimulatedCamera(int(seed), fps=fps, realtime=realtime)
    if scheme in _RTSP:
        return RtspSource(source)
    if not Path(source).is_file():
        raise SourceError(f"{source} is neither a file nor an rtsp:// or sim:// address")
    return FileSource(Path(source), loop=loop, realtime=realtime)


def _publish(
    source: "Source",
    packer: MessagePacker,
    kafka: KafkaSettings,
    choose: Callable[[Iterator[Frame]], Iterator[Frame]],
) -> dict[str, int]:
    from hermes_ray.transport.producer import FrameProducer

    console = progress_console()
    total = {"frames": 0, "messages": 0, "bytes": 0}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Lifecycle(console.print) as lifecycle:
        producer = FrameProducer(kafka)
        lifecycle.at_end(producer.close)
        lifecycle.at_end(source.close)
        progress = lifecycle.enter(Progress(*columns, console=console))
        task = progress.add_task("connecting", total=None)

        def count(frames: int, size: int) -> None:
            total["frames"] += frames
            total["messages"] += 1
            total["bytes"] += size
            progress.update(task, description=_summary(total))

        def away(said: str) -> None:
            console.print(f"[yellow]not confirmed, sending again:[/] {escape(said)}")
            progress.update(task, description=f"{_summary(total)}, waiting for the broker")

        publish_all(choose(source.frames()), packer, producer.send, count, away)
        with suppress(PublishFailed):  # counts attempts that were made good since
            producer.flush()
    return total


def _summary(total: dict[str, int]) -> str:
    return f"{total['frames']} frames in {total['messages']} messages, {total['bytes'] / 1e6:.1f} MB confirmed"
