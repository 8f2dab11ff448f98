"""Where standing questions are made: an HTTP API somewhere, or the system that runs beside the cameras."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hermes_ray.cli.cameras.file import ApiAddress, CamerasFile
from hermes_ray.cli.cameras.standing.reconcile import StandingApi
from hermes_ray.config import API_URL_VARIABLE, Settings, StandingQuestion
from hermes_ray.errors import ConfigError

if TYPE_CHECKING:
    from hermes_ray.api.schemas.standing_questions import StandingQuestionResponse
    from hermes_ray.client import HermesClient


class Place(Protocol):
    """One of them."""

    @property
    def shown(self) -> str:
        """What people call it."""
        ...

    def open(self) -> AbstractContextManager[StandingApi]:
        """Connect."""
        ...


PlaceOf = Callable[[ApiAddress | None], Place | None]
"""The place, given what the file says of it; ``None`` if nothing names one."""


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """An HTTP API.

    Attributes:
        url: its address.
        key_file: holds the key, read each time; without one the variable HERMES_API_KEY does.
    """

    url: str
    key_file: Path | None

    @property
    def shown(self) -> str:
        """Its address."""
        return self.url

    def open(self) -> "HermesClient":
        """A client of it, to be closed.

        Raises:
            ConfigError: that is no URL, or the file holds no key.
        """
        from hermes_ray.cli.running.connection import read_api_key
        from hermes_ray.client import HermesClient

        return HermesClient(self.url, read_api_key(self.key_file))


def over_http(url: str | None, key_file: Path | None, directory: Path) -> PlaceOf:
    """The API that the command line names, or else the file. The file's key goes to the file's address only.

    Args:
        url: of the command line, or its environment.
        key_file: of the command line; it counts before the file's.
        directory: relative paths in the file are of it.
    """

    def place_of(said: ApiAddress | None) -> Place | None:
        if url is not None:
            return HttpPlace(url, key_file)
        if said is None:
            return None
        return HttpPlace(said.url, key_file or (directory / said.key_file if said.key_file else None))

    return place_of


def chosen_place(file: CamerasFile, place_of: PlaceOf) -> Place | None:
    """Where the questions of a file go; ``None`` if it has none and names nothing.

    Raises:
        ConfigError: it has some and nothing says where they go.
    """
    place = place_of(file.api)
    if place is None:
        for camera, entry in file.entries().items():
            if entry.standing:
                raise ConfigError(
                    f"cameras.{camera}.standing: {entry.standing[0].name} can be asked of no system, as none is named; "
                    f"give its API with --url http://HOST:8000, in the variable {API_URL_VARIABLE}, or in the file as "
                    "api: {url: http://HOST:8000}"
                )
    return place


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """The system on the Ray cluster that this process has joined."""

    settings: Settings

    @property
    def shown(self) -> str:
        """What it is."""
        return "the system"

    @contextmanager
    def open(self) -> Iterator[StandingApi]:
        """Talk to it, in a thread that has no event loop.

        Raises:
            NotReady: it has not been brought up.
        """
        with asyncio.Runner() as runner:
            yield _ClusterApi(runner, self.settings)


class _ClusterApi:
    def __init__(self, runner: asyncio.Runner, settings: Settings) -> None:
        from hermes_ray.cluster.wire.client.client import ClusterClient

        self._runner = runner
        self._client = runner.run(ClusterClient.connect(settings))

    def standing_questions(self) -> "list[StandingQuestionResponse]":
        from hermes_ray.api.schemas.standing_questions import StandingQuestionResponse

        found = self._runner.run(self._client.standing_questions())
        return [StandingQuestionResponse.of(standing) for standing in found]

    def add_standing_question(self, **definition: Any) -> object:
        return self._runner.run(self._client.add_standing_question(StandingQuestion.model_validate(definition)))

    def replace_standing_question(self, **definition: Any) -> object:
        return self._runner.run(self._client.replace_standing_question(StandingQuestion.model_validate(definition)))

    def mute_standing_question(self, name: str, *, muted: bool) -> object:
        return self._runner.run(self._client.mute_standing_question(name, muted))

    def remove_standing_question(self, name: str) -> object:
        return self._runner.run(self._client.remove_standing_question(name))
