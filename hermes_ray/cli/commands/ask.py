"""``hermes ask``: one question to one stream."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, AsJson, Url
from hermes_ray.cli.console.output import format_milliseconds, progress_console, write_json
from hermes_ray.errors import ApiUnreachable

if TYPE_CHECKING:
    from hermes_ray.api.schemas.questions import AnswerResponse
    from hermes_ray.client import HermesClient

_FRAMES_SHOWN = 4


def ask(
    stream: Annotated[str, typer.Argument(help="Stream id; `hermes streams` lists them.")],
    question: Annotated[str, typer.Argument(help="The question.")],
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Wait for the whole answer.")] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="The most tokens to answer with.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0 takes the likeliest token.")] = 0.0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for the whole answer.")] = 60.0,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Choose among these; repeat it for each, at least twice.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="Wait for a frame of this moment or later, RFC 3339, such as 2026-01-02T03:04:05Z."),
    ] = None,
    session: Annotated[str | None, typer.Option(help="Continue the conversation of this name.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Read the journal's lines about it too: for what was days ago.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a stream. The answer goes to stdout token by token; what it rests on goes to stderr."""
    from hermes_ray.cli.running.connection import connect

    options = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "timeout_s": timeout,
        "options": option or None,
        "as_of": as_of,
        "session_id": session,
        "history": history or None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    with connect(url, api_key_file) as client:
        if as_json:
            write_json(client.ask(stream, question, **options).model_dump())
            return
        answer = client.ask(stream, question, **options) if no_stream else _stream(client, stream, question, options)
    if no_stream:
        typer.echo(answer.answer)
    progress_console().print(
        f"[dim]as of {escape(answer.as_of)}, {format_milliseconds(answer.age_ms)} ago, "
        f"{answer.frames_seen} frames seen, "
        f"first token after {answer.ttft_ms:.0f} ms, {answer.usage.completion_tokens} tokens[/]"
    )
    if answer.evidence:
        frames = ", ".join(f"{item.frame} ({item.weight:.0%})" for item in answer.evidence[:_FRAMES_SHOWN])
        progress_console().print(f"[dim]rests on frames {frames}; see one: hermes look {stream} --frame N[/]")
    for line in answer.history:
        progress_console().print(f"[dim]and on the journal of {escape(line.until)}: {escape(line.text)}[/]")
    for choice in answer.options:
        progress_console().print(f"[dim]{choice.probability:6.1%}  {escape(choice.option)}[/]")


def _stream(client: "HermesClient", stream: str, question: str, options: dict[str, Any]) -> "AnswerResponse":
    from hermes_ray.api.schemas.questions import AnswerResponse

    for item in client.ask_stream(stream, question, **options):
        if isinstance(item, AnswerResponse):
            typer.echo()
            return item
        typer.echo(item.text, nl=False)
    raise ApiUnreachable("the answer broke off before its end")
