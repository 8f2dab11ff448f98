"""Server-sent events of an answer, line by line, whatever reads the lines."""

import json
from typing import NamedTuple

from hermes_ray.api.schemas.questions import AnswerResponse, TokenEvent
from hermes_ray.api.schemas.several_streams import StreamResult, StreamsQueryDone
from hermes_ray.client.failures import error_of, valid

BROKEN_OFF = "the answer broke off before its end"
"""What to say of a stream of events whose last one did not come."""


class Event(NamedTuple):
    """One event: its name, and its data as JSON."""

    name: str
    data: str


class EventLines:
    """Makes events of lines (WHATWG HTML, section 9.2.6). Comments are dropped.

    Args:
        place: the id of the last event that came over an earlier connection.
    """

    def __init__(self, place: str | None = None) -> None:
        self.place = place
        """The last id that came, of an event or alone."""
        self._name = "message"
        self._data: list[str] = []

    def feed(self, line: str) -> Event | None:
        """Take one line; ``None`` until it completes an event."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self.place = value
        elif not line and self._data:
            event = Event(self._name, "\n".join(self._data))
            self._name, self._data = "message", []
            return event
        return None


def answer_item(event: Event) -> TokenEvent | AnswerResponse:
    """What an event says of one stream's answer.

    Raises:
        HermesError: the server's problem, as its own class.
        ApiUnreachable: it has a form that this client does not know.
    """
    with valid():
        if event.name == "token":
            return TokenEvent.model_validate_json(event.data)
        if event.name == "answer":
            return AnswerResponse.model_validate_json(event.data)
    raise error_of(json.loads(event.data))


def result_item(event: Event) -> StreamResult | StreamsQueryDone:
    """What an event says of several streams' answers. Raises as :func:`answer_item`."""
    with valid():
        if event.name == "result":
            return StreamResult.model_validate_json(event.data)
        if event.name == "done":
            return StreamsQueryDone.model_validate_json(event.data)
    raise error_of(json.loads(event.data))
