"""Asks the streams questions, over HTTP as anybody would."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from hermes_ray.api.schemas.streams import StreamResponse
from hermes_ray.cli.demo.questions import Exchange, QuestionSource
from hermes_ray.client import HermesClient
from hermes_ray.errors import HermesError

MAX_TOKENS = 16
"""The longest right answer names three things in view."""
_KEPT = 8


class QuestionLoop:
    """A background thread that asks one stream after the other.

    Args:
        url: base URL of the API.
        questions: by stream id.
        pause_s: between two questions, seconds.
        on_failure: receives each error; the loop goes on.
    """

    def __init__(
        self,
        url: str,
        questions: Mapping[str, QuestionSource],
        pause_s: float,
        on_failure: Callable[[HermesError], object],
    ) -> None:
        self._url = url
        self._questions = questions
        self._pause_s = pause_s
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="questions", daemon=True)
        self.exchanges: deque[Exchange] = deque(maxlen=_KEPT)

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
            for number in itertools.count():
                if self._stop.wait(self._pause_s):
                    return
                try:
                    self._ask(client, number)
                except HermesError as error:
                    self._on_failure(error)

    def _ask(self, client: HermesClient, number: int) -> None:
        if streams := client.streams():
            turn, place = divmod(number, len(streams))
            stream = streams[place]
            self.exchanges.extend(ask_about(client, stream, self._questions[stream.id], [turn]))


def ask_about(
    client: HermesClient, stream: StreamResponse, questions: QuestionSource, turns: Iterable[int]
) -> list[Exchange]:
    """Ask a stream the questions of some turns, those that make sense now, one after the other."""
    exchanges = []
    for turn in turns:
        question = None if stream.as_of_ms is None else questions.question(turn, stream.as_of_ms)
        if question is not None:
            answer = client.ask(stream.id, question, max_tokens=MAX_TOKENS)
            exchanges.append(Exchange(answer, questions.truth(turn, question, answer.as_of_ms)))
    return exchanges
