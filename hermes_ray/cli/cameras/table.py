"""The cameras as a person sees them while they run."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from hermes_ray.cli.cameras.camera import CameraStatus, State
from hermes_ray.cli.cameras.standing.keeper import StandingStatus
from hermes_ray.cli.console.output import format_milliseconds

_WHOLE_ID = 24
"""Longest stream id that is shown on one line in a narrow terminal."""
_COLOURS = {State.PUBLISHING: "green", State.FAILED: "red", State.AWAY: "yellow", State.NO_BROKER: "yellow"}


def cameras_table(
    cameras: Sequence[CameraStatus],
    file_error: str | None,
    now_ms: float,
    standing: StandingStatus = StandingStatus(),
) -> RenderableType:
    """How many are in which state, what is wrong with the file or with standing questions, and one row per camera.

    Those that do not publish come first: a terminal may have fewer lines than the file cameras.

    Args:
        cameras: as they are.
        file_error: what is wrong with the file, if it is.
        now_ms: the present time, ms since the Unix epoch.
        standing: how their standing questions are.
    """
    table = Table("camera", "state", "frames", "MB", "age", "left out", "why", box=None, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = column.header not in ("left out", "why")
    if any(len(camera.name) > _WHOLE_ID for camera in cameras):
        table.columns[0].no_wrap = False
    for camera in sorted(cameras, key=lambda camera: camera.state is State.PUBLISHING):
        colour = _COLOURS.get(camera.state, "dim")
        table.add_row(
            escape(camera.name),
            f"[{colour}]{camera.state}[/]",
            str(camera.frames),
            f"{camera.size_bytes / 1e6:.1f}",
            format_milliseconds(None if camera.newest_ms is None else max(0.0, now_ms - camera.newest_ms)),
            ", ".join(f"{count} {reason}" for reason, count in camera.left_out.items() if count) or "-",
            escape(camera.reason or ""),
        )
    states = Counter(camera.state for camera in cameras)
    summary = ", ".join(f"{count} {state}" for state, count in states.items())
    parts: list[RenderableType] = [
        f"{len(cameras)} cameras: {summary}" if cameras else "no camera of the file is published here"
    ]
    if file_error is not None:
        parts.append(f"[red]the changed file is not used, the cameras go on as before:[/] {escape(file_error)}")
    if standing.wanted:
        parts.append(f"standing questions: {standing.wanted - standing.missing} of {standing.wanted} are asked")
    if standing.problem is not None:
        parts.append(f"[red]standing questions, tried again:[/] {escape(standing.problem)}")
    return Group(*parts, *([table] if cameras else []))
