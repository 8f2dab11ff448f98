"""What stands below an answer: what it rests on, and why it may mean nothing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from hermes_ray.api.schemas.questions import AnswerResponse
    from hermes_ray.api.schemas.understanding import AnswerWarning

FRAMES_SHOWN = 4
"""Of the frames that an answer rests on."""


def say_facts(console: Console, facts: Iterable[str]) -> None:
    """Say some facts behind one another; a line ends between two of them only."""
    line = ""
    for fact in facts:
        if line and len(line) + len(fact) + 3 > console.width:
            console.print(f"[dim]{escape(line)},[/]", soft_wrap=True)
            line = ""
        line = f"{line}, {fact}" if line else fact
    console.print(f"[dim]{escape(line)}[/]", soft_wrap=True)


def say_options(console: Console, answer: "AnswerResponse") -> None:
    """Say how likely each option is."""
    for choice in answer.options:
        console.print(f"[dim]{choice.probability:6.1%}  {escape(choice.option)}[/]", soft_wrap=True)


def say_warnings(console: Console, warnings: Sequence["AnswerWarning"]) -> None:
    """Say why an answer may mean nothing, and what can be asked instead."""
    for warning in warnings:
        console.print(f"[yellow]{escape(warning.message)}[/]", soft_wrap=True)
        console.print(f"[yellow]it understands, for example:[/] {escape(' | '.join(warning.examples))}", soft_wrap=True)
