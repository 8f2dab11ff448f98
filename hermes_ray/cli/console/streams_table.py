"""The table of streams: as many columns as the terminal has room for, and no name cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from hermes_ray.cli.console.output import format_milliseconds

if TYPE_CHECKING:
    from hermes_ray.api.schemas.streams import StreamResponse

_SPACE = 1
"""Between two columns."""


class _Column(NamedTuple):
    title: str
    cell: Callable[["StreamResponse"], str]
    importance: int


_ID = _Column("stream", lambda stream: stream.id, 0)
_LEFT_OUT = _Column("left out", lambda stream: left_out(stream), 7)
_COLUMNS = (
    _ID,
    _Column("state", lambda stream: stream.state, 1),
    _Column("frames", lambda stream: str(stream.frames_seen), 3),
    _Column("age", lambda stream: format_milliseconds(stream.age_ms), 2),
    _Column("lag", lambda stream: format_milliseconds(stream.lag_ms), 4),
    _LEFT_OUT,
    _Column(
        "tokens / limit",
        lambda stream: tokens_held(stream.kv_tokens_per_layer, stream.kv_prefix, stream.kv_budget),
        6,
    ),
    _Column("compactions", lambda stream: str(stream.compactions), 10),
    _Column("snapshot", lambda stream: format_milliseconds(_ms(stream.snapshot_age_s)), 8),
    _Column("policy", lambda stream: stream.policy, 9),
    _Column("worker", lambda stream: stream.worker, 5),
)


class StreamsTable:
    """One row per stream. Where a line is too short for everything, the least important columns go.

    No cell is cut: what was left out of a memory may go on in the line below, and so may an id that is longer than a
    whole line.

    Args:
        found: the streams.
    """

    def __init__(self, found: Sequence["StreamResponse"]) -> None:
        self._found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, for rich."""
        if not self._found:
            yield Table("no such stream", box=None)
            return
        cells = {column: [column.cell(stream) for stream in self._found] for column in _COLUMNS}
        widths = _widths(cells, options.max_width)
        table = Table(box=None, padding=(0, _SPACE, 0, 0))
        for column, width in widths.items():
            table.add_column(column.title, width=width, overflow="fold")
        for row in zip(*(cells[column] for column in widths), strict=True):
            table.add_row(*row)
        yield table


def _widths(cells: Mapping[_Column, Sequence[str]], line: int) -> dict[_Column, int]:
    """The columns that fit into a line, in their order, and how wide each is; all of it in characters."""
    wanted = {column: max(len(column.title), *map(len, cells[column])) for column in _COLUMNS}
    least = wanted | {
        _ID: wanted[_ID] if wanted[_ID] + _SPACE <= line else max(line // 2, len(_ID.title)),
        _LEFT_OUT: max(len(_LEFT_OUT.title), *(len(word) for cell in cells[_LEFT_OUT] for word in cell.split())),
    }
    room = line
    shown: dict[_Column, int] = {}
    for column in sorted(_COLUMNS, key=lambda column: column.importance):
        if least[column] + _SPACE <= room or column is _ID:
            room -= least[column] + _SPACE
            shown[column] = least[column]
    if _LEFT_OUT in shown:
        shown[_LEFT_OUT] = min(wanted[_LEFT_OUT], shown[_LEFT_OUT] + room)
    return {column: shown[column] for column in _COLUMNS if column in shown}


def left_out(stream: "StreamResponse") -> str:
    """Frames and records that are not in a memory, and why: ``3 lost, 480 skipped, 12 shed``."""
    counts = {"lost": stream.lost_records}
    if stream.ingest is not None:
        ingest = stream.ingest
        counts |= {
            "skipped": ingest.frames_skipped,
            "shed": ingest.frames_shed,
            "late": ingest.frames_late,
            "doubted": ingest.frames_doubted,
            "dead letters": ingest.dead_letters,
        }
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "-"


def tokens_held(tokens_per_layer: Sequence[int], prefix: int, budget: int | None) -> str:
    """What the fullest layer holds against what it may hold: ``70 / 74``."""
    limit = "no limit" if budget is None else str(prefix + budget)
    return f"{max(tokens_per_layer, default=0)} / {limit}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
