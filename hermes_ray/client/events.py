"""Server-sent events of an answer, line by line, whatever reads the lines."""

import json

from hermes_ray.api.schemas import AnswerResponse, TokenEvent
from hermes_ray.client.failures import error_of, valid


class AnswerEvents:
    """Makes events of lines (WHATWG HTML, section 9.2.6). Comments are dropped."""

    def __init__(self) -> None:
        self._event = "message"
        self._data: list[str] = []

    def feed(self, line: str) -> TokenEvent | AnswerResponse | None:
        """Take one line; ``None`` until it completes an event.

        Raises:
            HermesError: the event is the server's problem, as its own class.
            ApiUnreachable: the event has a form that this client does not know.
        """
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif not line and self._data:
            event, data = self._event, "\n".join(self._data)
            self._event, self._data = "message", []
            return _item(event, data)
        return None


def _item(event: str, data: str) -> TokenEvent | AnswerResponse:
    with valid():
        if event == "token":
            return TokenEvent.model_validate_json(data)
        if event == "answer":
            return AnswerResponse.model_validate_json(data)
    raise error_of(json.loads(data))
