"""Asks the streams questions from time to time, over HTTP as anybody would."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence

from hermes_ray.api.client import HermesClient
from hermes_ray.api.schemas import AnswerResponse
from hermes_ray.errors import HermesError

MAX_TOKENS = 12
_KEPT = 8


class Interview:
    """A background thread that asks one stream after the other.

    Args:
        url: base URL of the API.
        questions: asked in turn.
        pause_s: between two questions, seconds.
        on_failure: receives each error; the interview goes on.
    """

    def __init__(
        self, url: str, questions: Sequence[str], pause_s: float, on_failure: Callable[[HermesError], object]
    ) -> None:
        self._url = url
        self._questions = questions
        self._pause_s = pause_s
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="interview", daemon=True)
        self.answers: deque[AnswerResponse] = deque(maxlen=_KEPT)

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def close(self) -> None:
        """Stop asking. A question under way is waited for, a few seconds at most."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        with HermesClient(self._url) as client:
            for turn in itertools.count():
                if self._stop.wait(self._pause_s):
                    return
                try:
                    self._ask(client, turn)
                except HermesError as error:
                    self._on_failure(error)

    def _ask(self, client: HermesClient, turn: int) -> None:
        streams = client.streams()
        if streams:
            stream = streams[turn % len(streams)].id
            question = self._questions[(turn // len(streams)) % len(self._questions)]
            self.answers.append(client.ask(stream, question, max_tokens=MAX_TOKENS))


def ask_each(client: HermesClient, streams: Sequence[str], questions: Sequence[str]) -> list[AnswerResponse]:
    """Ask every stream every question, one after the other."""
    return [client.ask(stream, question, max_tokens=MAX_TOKENS) for stream in streams for question in questions]
