"""Commands whose modules are loaded when they are used: a question needs no codec, and a list of streams no broker."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
import typer.main

from hermes_ray.garbage import loading_for_good


class LoadedWhenUsed(UserDict[str, Any]):
    """Typer's commands by name. Their order is that of the help.

    Args:
        places: by name ``MODULE:ATTRIBUTE``, a function or a :class:`typer.Typer` of commands below this one.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        super().__init__(places)

    def __getitem__(self, name: str) -> Any:
        """The command."""
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self.data[name] = _loaded(name, found)
        return found


def _loaded(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    with loading_for_good():
        command = getattr(import_module(module), attribute)
    alone = typer.Typer()
    if isinstance(command, typer.Typer):
        alone.add_typer(command, name=name)
    else:
        alone.command(name)(command)
    return typer.main.get_group(alone).commands[name]
