"""``hermes events``: what standing questions and journals found out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, AsJson, Url
from hermes_ray.cli.console.output import progress_console, result_console, write_json, write_json_line
from hermes_ray.cli.console.times import parse_moment
from hermes_ray.cli.running.lifecycle import Lifecycle
from hermes_ray.errors import ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.schemas.events import EventResponse
    from hermes_ray.client import EventWishes

events = typer.Typer(no_args_is_help=True, help="Search and follow what standing questions and journals found out.")

Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", metavar="PATTERN", help="Only of these streams, such as 'dock-*'. Repeatable."),
]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="match, clear or journal. Repeatable.")]
Rules = Annotated[
    list[str] | None, typer.Option("--rule", metavar="NAME", help="Only of these standing questions. Repeatable.")
]


@events.command()
def search(
    words: Annotated[str | None, typer.Argument(help="Words that must all occur; without any, all events.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Captured then or later: an age such as 6h or 2d, or RFC 3339 with its time zone."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Captured before; as --since.")] = None,
    stream: Streams = None,
    kind: Kinds = None,
    rule: Rules = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Find events, the newest first."""
    from hermes_ray.cli.running.connection import connect

    wanted = _wishes(stream, kind, rule)
    now = datetime.now(UTC)
    if words is not None:
        wanted["q"] = words
    if since is not None:
        wanted["since"] = parse_moment("--since", since, now, is_ahead=False)
    if until is not None:
        wanted["until"] = parse_moment("--until", until, now, is_ahead=False)
    with connect(url, api_key_file) as client:
        found = client.events(limit=limit, **wanted)
    if as_json:
        write_json({"events": [event.model_dump(mode="json") for event in found]})
    else:
        result_console().print(events_table(found))


@events.command()
def tail(
    stream: Streams = None,
    kind: Kinds = None,
    rule: Rules = None,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show events as they are found, until Ctrl-C. With --json one line each."""
    from hermes_ray.cli.running.connection import connect

    console = result_console()
    with Lifecycle(progress_console().print), connect(url, api_key_file) as client:
        for event in client.follow_events(on_gap=progress_console().print, **_wishes(stream, kind, rule)):
            if as_json:
                write_json_line(event.model_dump(mode="json"))
            else:
                console.print(
                    f"{event.captured}  {event.stream}  {event.rule}: {_said(event)}", markup=False, soft_wrap=True
                )


@events.command()
def failed(url: Url = DEFAULT_URL, api_key_file: ApiKeyFile = None, as_json: AsJson = False) -> None:
    """List deliveries to webhooks and brokers that were given up. The key needs the scope manage."""
    from hermes_ray.cli.running.connection import connect

    with connect(url, api_key_file) as client:
        found = client.failed_deliveries()
    if as_json:
        write_json({"deliveries": [one.model_dump(mode="json") for one in found]})
        return
    table = Table("given up", "target", "event", "stream", "tries", "reason", box=None, padding=(0, 1, 0, 0))
    for one in found:
        table.add_row(one.failed, one.target, one.event.id, one.event.stream, str(one.attempts), one.reason)
    result_console().print(table if found else "no delivery was given up")


@events.command()
def resend(
    event: Annotated[list[str] | None, typer.Argument(metavar="[EVENT]...", help="Ids of events.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only to this target, such as webhook:door.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that was given up, a thousand of each target at a time.")
    ] = False,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Send events again that a webhook did not take, each once, under the same id. The key needs the scope manage."""
    from hermes_ray.cli.running.connection import connect

    if everything == bool(event or target):
        raise ConfigError("say what to send again: ids of events, --target, or --all instead of both")
    with connect(url, api_key_file) as client:
        sent = client.resend_deliveries(target=target, events=event or None)
    if as_json:
        write_json(sent.model_dump(mode="json"))
        return
    console = result_console()
    console.print(f"{sent.queued} are sent again; `hermes events failed` lists those that are not taken")
    if sent.left:
        console.print(f"{sent.left} are not: their target is in the settings no more, or shows the newest state alone")
    if sent.waiting:
        console.print(
            f"{sent.waiting} more wait: send again once these are through, a thousand of each target at a time"
        )


def events_table(found: Sequence["EventResponse"]) -> Table:
    """One row per event."""
    if not found:
        return Table("no such event", box=None)
    table = Table("captured", "stream", "rule", "what", box=None, padding=(0, 1, 0, 0))
    for event in found:
        table.add_row(event.captured, event.stream, event.rule, _said(event))
    for column in table.columns:
        column.overflow = "fold"
    return table


def _wishes(stream: Sequence[str] | None, kind: Sequence[str] | None, rule: Sequence[str] | None) -> "EventWishes":
    wanted: EventWishes = {}
    if stream:
        wanted["stream"] = stream
    if kind:
        wanted["kind"] = kind
    if rule:
        wanted["rule"] = rule
    return wanted


def _said(event: "EventResponse") -> str:
    if event.kind == "journal":
        return event.answer
    sure = "" if event.probability is None else f" ({event.probability:.0%})"
    return f"{event.question} {event.answer}{sure}" + (", no more" if event.kind == "clear" else "")
