"""``hermes ask``: one question to one stream, or to all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hermes_ray.cli.console.answers import FRAMES_SHOWN, say_facts, say_options, say_warnings
from hermes_ray.cli.console.completion import complete_stream
from hermes_ray.cli.console.exits import CommandFailed
from hermes_ray.cli.console.options import DEFAULT_URL, ApiKeyFile, AsJson, Url
from hermes_ray.cli.console.output import format_milliseconds, progress_console, write_json
from hermes_ray.errors import ApiUnreachable, ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.schemas.questions import AnswerResponse
    from hermes_ray.client import HermesClient, StreamResult

_USAGE = "hermes ask STREAM QUESTION, hermes ask --stream-all QUESTION, or hermes ask STREAM --examples"


def ask(
    stream: Annotated[
        str | None,
        typer.Argument(
            help="Stream id; `hermes streams` lists them.", show_default=False, autocompletion=complete_stream
        ),
    ] = None,
    question: Annotated[str | None, typer.Argument(help="The question.", show_default=False)] = None,
    url: Url = DEFAULT_URL,
    api_key_file: ApiKeyFile = None,
    stream_all: Annotated[
        bool, typer.Option("--stream-all", help="Ask every stream; the only argument is the question.")
    ] = False,
    examples: Annotated[
        bool, typer.Option("--examples", help="List questions that the stream's model understands.")
    ] = False,
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

    stream, question = _arguments(stream, question, stream_all=stream_all, examples=examples)
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
        if examples:
            _list_examples(client, stream, as_json)
        elif stream_all:
            _ask_all(client, question, options, as_json)
        elif as_json:
            write_json(client.ask(stream, question, **options).model_dump())
        else:
            _ask_one(client, stream, question, options, whole=no_stream)


def _arguments(stream: str | None, question: str | None, *, stream_all: bool, examples: bool) -> tuple[str, str]:
    """The stream and the question, empty where there is none.

    Raises:
        ConfigError: the arguments do not fit what is asked for.
    """
    if stream_all and examples:
        raise ConfigError("--examples are those of one stream, without --stream-all")
    if stream_all:
        if question is not None:
            raise ConfigError("--stream-all takes one argument, the question")
        if stream is None:
            raise ConfigError(f"QUESTION is missing: {_USAGE}")
        return "", stream
    if stream is None:
        raise ConfigError(f"STREAM is missing: {_USAGE}")
    if examples and question is not None:
        raise ConfigError("--examples lists questions and takes no QUESTION")
    if not examples and question is None:
        raise ConfigError(f"QUESTION is missing: {_USAGE}")
    return stream, question or ""


def _list_examples(client: "HermesClient", stream: str, as_json: bool) -> None:
    found = client.examples(stream)
    if as_json:
        write_json({"stream": stream, "examples": found})
    else:
        for example in found:
            typer.echo(example)


def _ask_one(client: "HermesClient", stream: str, question: str, options: dict[str, Any], *, whole: bool) -> None:
    answer = client.ask(stream, question, **options) if whole else _stream(client, stream, question, options)
    if whole:
        typer.echo(answer.answer)
    console = progress_console()
    say_facts(
        console,
        [
            f"as of {answer.as_of}, {format_milliseconds(answer.age_ms)} ago",
            f"{answer.frames_seen} frames seen",
            f"first token after {answer.ttft_ms:.0f} ms",
            f"{answer.usage.completion_tokens} tokens",
        ],
    )
    if answer.evidence:
        frames = ", ".join(f"{item.frame} ({item.weight:.0%})" for item in answer.evidence[:FRAMES_SHOWN])
        say_facts(console, [f"rests on frames {frames}", f"see one: hermes look {stream} --frame N"])
    for line in answer.history:
        say_facts(console, [f"and on the journal of {line.until}: {line.text}"])
    say_options(console, answer)
    say_warnings(console, answer.warnings)


def _stream(client: "HermesClient", stream: str, question: str, options: dict[str, Any]) -> "AnswerResponse":
    from hermes_ray.api.schemas.questions import AnswerResponse

    for item in client.ask_stream(stream, question, **options):
        if isinstance(item, AnswerResponse):
            typer.echo()
            return item
        typer.echo(item.text, nl=False)
    raise ApiUnreachable("the answer broke off before its end")


def _ask_all(client: "HermesClient", question: str, options: dict[str, Any], as_json: bool) -> None:
    """Ask every stream, so many at a time as the API takes in one request; the timeout is that of each request.

    Raises:
        CommandFailed: there is no stream, or one did not answer.
    """
    from hermes_ray.api.schemas.several_streams import MOST_STREAMS

    names = [stream.id for stream in client.streams()]
    if not names:
        raise CommandFailed("there is no stream to ask")
    results: list[StreamResult] = []
    for start in range(0, len(names), MOST_STREAMS):
        results += client.ask_all(names[start : start + MOST_STREAMS], question, **options)
        if not as_json:
            _say_results(results[start:])
    if as_json:
        write_json({"results": [result.dump() for result in results]})
    elif warnings := next((result.answer.warnings for result in results if result.answer), None):
        say_warnings(progress_console(), warnings)  # one model watches all streams
    if failed := sum(result.problem is not None for result in results):
        raise CommandFailed(f"{failed} of {len(results)} streams did not answer")


def _say_results(results: Sequence["StreamResult"]) -> None:
    console = progress_console()
    for result in results:
        if result.answer is not None:
            typer.echo(f"{result.stream}: {result.answer.answer}")
        elif result.problem is not None:
            console.print(
                f"{result.stream}: {result.problem.code}: {result.problem.detail}", markup=False, soft_wrap=True
            )
