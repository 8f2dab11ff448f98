"""What a person sees of a source that is shown to a memory."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from hermes_ray.cli.watch.moments import format_position

if TYPE_CHECKING:
    from hermes_ray.watching import Watching


def how_far(name: str, watching: "Watching") -> str:
    """``film.mp4: 0:42 of 3:00, 84 frames``, and whether and why no more come."""
    duration_s = watching.duration_s
    of = "" if duration_s is None else f" of {format_position(duration_s)}"
    end = f", {failure}" if (failure := watching.failure) else ", at its end" if watching.ended else ""
    return f"{name}: {format_position(watching.position_s)}{of}, {watching.frames} frames{end}"


def showing_line(console: Console, name: str, watching: "Watching") -> Live:
    """A line that says how far a source is, for as long as it is entered; nothing where there is no terminal."""
    spinner = Spinner("dots")

    def line() -> Spinner:
        spinner.update(text=escape(how_far(name, watching)))
        return spinner

    return Live(console=console, get_renderable=line, refresh_per_second=8, transient=True)
