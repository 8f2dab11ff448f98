"""One run of ``hermes watch``: what is loaded, shown, asked and written, in this order."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.output import progress_console, write_json
from hermes_ray.cli.console.steps import Steps
from hermes_ray.cli.demo.report import note_about
from hermes_ray.cli.running.file_parts import parts_of, write_whole
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.cli.watch.asking import Asker
from hermes_ray.cli.watch.conversation import converse
from hermes_ray.cli.watch.moments import format_position
from hermes_ray.cli.watch.plan import WatchPlan
from hermes_ray.cli.watch.progress import how_far, showing_line
from hermes_ray.cluster.memory_worker.process.loading import build_engine
from hermes_ray.config import Settings
from hermes_ray.engine import StreamEngine
from hermes_ray.errors import ConfigError
from hermes_ray.transport.message import validate_stream_id
from hermes_ray.video.codec import DecodeLimits
from hermes_ray.video.sources.base import Source
from hermes_ray.video.sources.cameras.live import LiveSource
from hermes_ray.video.sources.opening import is_simulated, open_source, shown_name
from hermes_ray.watching import Watching, export_memory, import_memory
from hermes_ray.watching.watching import stream_name

_MEMORY_ALONE = "memory"
"""The stream of an imported memory that nobody named."""


def run_watch(plan: WatchPlan, settings: Settings, *, as_json: bool) -> None:
    """Do what the plan says.

    Raises:
        CommandFailed: no frame came, or the recording ended before it was to be asked about.
        HermesError: a source, a file, the model or an answer failed.
    """
    console = progress_console()
    source = _open(plan, settings, console)
    name = _MEMORY_ALONE if plan.source is None or source is None else shown_name(source, plan.source)
    with Lifecycle(console.print) as lifecycle:
        with Steps(console).step(f"loading the model {settings.model.name}") as progress:
            engine = lifecycle.enter(build_engine(_for_one_stream(settings), progress))
        if plan.source is not None and not is_simulated(plan.source) and (note := note_about(settings.model.name)):
            console.print(f"[yellow]{note}[/]", soft_wrap=True)
        stream_id = validate_stream_id(plan.stream or (stream_name(plan.source) if plan.source else _MEMORY_ALONE))
        if plan.import_file is not None:
            import_memory(engine, stream_id, b"".join(parts_of(plan.import_file)))
        export = _Export(engine, stream_id, plan.export_file, console)
        lifecycle.at_end(export.write)  # whatever else happens
        watching = None
        if source is not None:
            speed = 1.0 if isinstance(source, LiveSource) else plan.speed
            watching = Watching(engine, source, stream_id, speed=speed, fps=plan.fps, seconds=plan.seconds)
            lifecycle.at_end(watching.close)
        asker = Asker(engine, stream_id, watching, plan.max_tokens, console, aloud=not as_json)
        missed_s = None
        if plan.questions:
            missed_s = _ask_planned(plan, asker, watching, name, console)
        elif sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
            _ask_at_a_prompt(asker, watching, name, engine, console)
        else:
            _ask_lines(asker, watching, name, console)
        if watching is not None:
            watching.close()
            watching.wait()
        export.write()
    if as_json:
        write_json(_report(settings, name, stream_id, watching, asker, export))
    if watching is not None and not watching.frames:
        raise CommandFailed(f"no frame of {name} was shown")
    if missed_s is not None:
        raise CommandFailed(f"{name} has ended before {format_position(missed_s)}: the answers are about its end")


def _open(plan: WatchPlan, settings: Settings, console: Console) -> Source | None:
    """The source, before a model is loaded for nothing.

    Raises:
        SourceError: there is no such source.
        ConfigError: a camera, at another speed or asked at its end.
    """
    if plan.source is None:
        return None
    told: set[str] = set()

    def on_fault(reason: str) -> None:
        if reason not in told:
            told.add(reason)
            console.print(f"[yellow]no picture:[/] {escape(reason)}; trying again", soft_wrap=True)

    limits = DecodeLimits.from_settings(settings.video)
    source = open_source(plan.source, fps=plan.fps, loop=False, realtime=False, limits=limits, on_fault=on_fault)
    if isinstance(source, LiveSource):
        if plan.speed != 1 and not plan.questions:
            raise ConfigError("--speed is for recordings: a camera shows its pictures when they come")
        if plan.questions and not plan.positions and plan.seconds is None:
            raise ConfigError("a camera has no end: say with --at or --seconds when to ask")
    return source


def _for_one_stream(settings: Settings) -> Settings:
    """The same settings, without room for streams and questions that cannot come."""
    memory = settings.memory.model_copy(update={"slots": 1, "host_streams": 0})
    engine = settings.engine.model_copy(update={"max_questions": 1})
    return settings.model_copy(update={"memory": memory, "engine": engine})


def _ask_planned(plan: WatchPlan, asker: Asker, watching: Watching | None, name: str, console: Console) -> float | None:
    """Ask what the plan says when it says so; returns the first position that the source did not reach, seconds."""
    missed_s = None
    for until_s in plan.positions or (None,):
        if watching is not None:
            with showing_line(console, name, watching):
                goes_on = watching.show() if until_s is None else watching.show(until_s)
            end_s = max(watching.position_s, watching.duration_s or 0.0) + 1 / plan.fps
            if until_s is not None and not goes_on and until_s > end_s and missed_s is None:
                missed_s = until_s
            if not watching.frames:
                return None
        for question in plan.questions:
            if len(plan.questions) * len(plan.positions) > 1:
                where = "" if until_s is None else f"{format_position(until_s)} "
                console.print(f"[dim]{where}{escape(question)}[/]", soft_wrap=True)
            asker.ask(question)
    return missed_s


def _ask_at_a_prompt(
    asker: Asker, watching: Watching | None, name: str, engine: StreamEngine, console: Console
) -> None:
    if watching is not None:
        watching.start()
    converse(asker, lambda: name if watching is None else how_far(name, watching), engine.adapter.examples, console)


def _ask_lines(asker: Asker, watching: Watching | None, name: str, console: Console) -> None:
    """Ask each line of standard input when it comes, then show the rest."""
    if watching is not None:
        watching.start()
        watching.wait_for_first_frame()
    for line in sys.stdin:
        if line.strip():
            asker.ask(line.strip())
    with nullcontext() if watching is None else showing_line(console, name, watching):
        if watching is not None:
            watching.wait()


class _Export:
    """Writes the memory to a file, once.

    Attributes:
        written: what was, for programs.
    """

    def __init__(self, engine: StreamEngine, stream_id: str, file: Path | None, console: Console) -> None:
        self.written: dict[str, Any] | None = None
        self._engine = engine
        self._stream_id = stream_id
        self._file = file
        self._console = console

    def write(self) -> None:
        """Write it, if that is wanted and was not tried before.

        Raises:
            UnknownStream: nothing was shown.
            ConfigError: the file cannot be written.
        """
        file, self._file = self._file, None
        if file is None:
            return
        size = write_whole(file, (part for part in (export_memory(self._engine, self._stream_id),)))
        self.written = {"file": str(file), "bytes": size}
        self._console.print(f"memory of {self._stream_id}: {size} bytes in {escape(str(file))}", soft_wrap=True)


def _report(
    settings: Settings, name: str, stream_id: str, watching: Watching | None, asker: Asker, export: _Export
) -> dict[str, Any]:
    return {
        "source": None if watching is None else name,
        "stream": stream_id,
        "model": settings.model.name,
        "frames": 0 if watching is None else watching.frames,
        "position_s": None if watching is None else watching.position_s,
        "left_out": {} if watching is None else watching.left_out(),
        "answers": asker.answers,
        "exported": export.written,
    }
