"""The demo's live picture in the terminal."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.cli.console.output import format_milliseconds
from hermes_ray.cli.console.streams_table import tokens_held
from hermes_ray.cli.demo.questions import Exchange


def picture(
    streams: Sequence[StreamResponse],
    published: Mapping[str, int],
    exchanges: Sequence[Exchange],
    footer: Sequence[str],
) -> Group:
    """Everything the demo shows at one moment."""
    return Group(streams_table(streams, published), Text(), answers_table(exchanges), Text(), *footer)


def streams_table(streams: Sequence[StreamResponse], published: Mapping[str, int]) -> Table:
    """Per stream: frames on their way, lag, and tokens held against the limit.

    Args:
        streams: as the API lists them.
        published: per stream id, frames published so far.
    """
    table = Table(
        "stream",
        "published",
        "in memory",
        "lag",
        "tokens per layer / limit",
        "compactions",
        title="Streams",
        title_justify="left",
        box=None,
    )
    known = {stream.id: stream for stream in streams}
    for stream_id in sorted(published):
        stream = known.get(stream_id)
        if stream is None:
            table.add_row(stream_id, str(published[stream_id]), "0", "-", "-", "0")
            continue
        table.add_row(
            stream_id,
            str(published[stream_id]),
            str(stream.frames_seen),
            format_milliseconds(stream.lag_ms),
            tokens_held(stream.kv_tokens_per_layer, stream.kv_prefix, stream.kv_budget),
            str(stream.compactions),
        )
    return table


def answers_table(exchanges: Sequence[Exchange]) -> Table:
    """The newest answers, newest last."""
    table = Table(
        "stream",
        "question",
        "answer",
        "",
        "first token",
        "as of",
        "frames",
        title="Answers",
        title_justify="left",
        box=None,
    )
    for exchange in exchanges:
        answer = exchange.answer
        table.add_row(
            answer.stream,
            escape(answer.question),
            escape(answer.answer),
            _verdict(exchange),
            format_milliseconds(answer.ttft_ms),
            # The time of day is enough to see that the answer is fresh.
            answer.as_of[11:19],
            str(answer.frames_seen),
        )
    if not exchanges:
        table.add_row("", "the first question comes in a moment", "", "", "", "", "")
    return table


def _verdict(exchange: Exchange) -> str:
    """Whether the answer is right, where somebody knows, and else what would have been."""
    if exchange.truth is None:
        return ""
    return "[green]right[/]" if exchange.correct else f"[red]wrong:[/] {escape(exchange.truth)}"


def where_to_ask(url: str, stream_id: str) -> list[str]:
    """Lines that show how to ask next."""
    # In a fresh clone the command is in the virtual environment and not on the PATH.
    command = "hermes" if shutil.which("hermes") else os.path.relpath(sys.argv[0])
    return [
        f"[bold]See it[/]  {url}/  [dim](in a browser; Ctrl-C ends the demo)[/]",
        "[bold]Ask it yourself[/]",
        f"  {command} ask {stream_id} 'what is in view now ?' --url {url}",
        f"  curl -s {url}/v1/streams/{stream_id}/query -H 'content-type: application/json' "
        '-d \'{"question": "what is in view now ?"}\'',
        f"  {url}/docs",
    ]
