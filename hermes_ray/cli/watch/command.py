"""``hermes watch``: a recording or a camera, a memory and questions about it, in this process."""

from pathlib import Path
from typing import Annotated

import typer

from hermes_ray.cli.console.options import AsJson, Assignments, ConfigFile, load_settings
from hermes_ray.cli.publish.source import Seconds, Source, SourceFile, named_source
from hermes_ray.cli.watch.moments import parse_position
from hermes_ray.cli.watch.plan import WatchPlan, parse_speed
from hermes_ray.observability.logs import configure_logs


def watch(
    source: Source = None,
    source_file: SourceFile = None,
    question: Annotated[
        list[str] | None, typer.Option("--ask", help="Ask this instead of waiting for questions. Repeatable.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Ask when the recording is there, such as 90 or 1:30. Repeatable; by default at its end.",
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|max",
            help="Seconds of a recording in one second (default 1; with --ask as fast as it goes).",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.1, max=60, help="Frames per second that the memory sees (default: video.target_fps)."),
    ] = None,
    seconds: Seconds = None,
    stream: Annotated[
        str | None, typer.Option("--stream", help="Name of the stream (default: that of the file).")
    ] = None,
    import_file: Annotated[
        Path | None,
        typer.Option("--import", help="Begin with the memory in this file; SOURCE may be left out then."),
    ] = None,
    export_file: Annotated[
        Path | None, typer.Option("--export", help="Write the memory to this file at the end.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The most tokens to answer with.")] = 64,
    config_file: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Show a recording or a camera to a memory and answer questions about it, without Ray and without Kafka.

    In a terminal, questions are typed while it runs, until Ctrl-D. Otherwise they are those of --ask, or the lines of
    standard input, and the command ends with the recording. Answers go to stdout.
    """
    settings = load_settings(config_file, assignments).settings
    configure_logs(settings.log)
    alone = import_file is not None and source is None and source_file is None
    plan = WatchPlan(
        source=None if alone else named_source(source, source_file),
        stream=stream,
        speed=parse_speed(speed, one_shot=bool(question)),
        fps=settings.video.target_fps if fps is None else fps,
        seconds=seconds,
        questions=tuple(question or ()),
        positions=tuple(sorted(parse_position(text) for text in at or ())),
        max_tokens=max_tokens,
        import_file=import_file,
        export_file=export_file,
    )
    from hermes_ray.cli.watch.session import run_watch

    run_watch(plan, settings, as_json=as_json)
