"""Questions at a prompt, while a source is shown."""

from collections.abc import Callable, Sequence

import typer
from rich.console import Console
from rich.markup import escape

from hermes_ray.cli.console.exits import say_failure
from hermes_ray.cli.watch.asking import Asker
from hermes_ray.errors import HermesError

_PROMPT = "> "
_FOR_EXAMPLES = "?"


def converse(asker: Asker, status: Callable[[], str], examples: Sequence[str], console: Console) -> None:
    """Answer what somebody types, until Ctrl-D. A question that fails is told, and the next one may be asked.

    Args:
        asker: asks.
        status: says how far the source is.
        examples: questions that the model understands.
        console: for everything but answers.
    """
    from hermes_ray.cli.watch.status_line import read_line

    console.print("[dim]ask at any moment, such as:[/] " + escape(" | ".join(examples[:3])), soft_wrap=True)
    console.print(f"[dim]{_FOR_EXAMPLES} lists more, Ctrl-D ends[/]")
    while True:
        try:
            text = read_line(_PROMPT, status).strip()
        except EOFError:
            typer.echo()
            return
        if text == _FOR_EXAMPLES:
            console.print(*map(escape, examples), sep="\n", soft_wrap=True)
        elif text:
            try:
                asker.ask(text)
            except HermesError as error:
                say_failure(error)
