"""Users who ask all the time, whatever is going on, and keep every answer."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from hermes_ray.api.problems.kinds import MEDIA_TYPE
from hermes_ray.cluster.wire.client.client import ClusterClient
from hermes_ray.engine.contracts import Answer
from tests.chaos.proof.undisturbed import QUESTION, GivenAnswer
from tests.patience import LIMIT_S

_PAUSE_S = 2.0
_PATIENT_S = 30.0
"""``timeout_s`` of one user: every question waits for a stream that is recovering; the other's are refused at once."""
_PASSING = (429, 503, 504)
"""What the API may say while something is down: each tells the caller to ask again."""


async def ask(client: ClusterClient, stream: str) -> GivenAnswer:
    """Ask a stream, past the router, for as long as it takes."""
    items = [item async for item in client.ask(stream, QUESTION, LIMIT_S, patience_s=LIMIT_S)]
    answer = items[-1]
    assert isinstance(answer, Answer)
    return GivenAnswer(time.monotonic(), stream, answer.frames_seen, answer.as_of_ms, answer.text)


class Users:
    """One patient and one impatient; each asks all streams over HTTP, in random order again and again, while the
    ``with`` block runs.

    Args:
        url: of the API.
        streams: whom to ask.
        seed: of the order.
        pause_s: of each user after every question, seconds.
    """

    def __init__(self, url: str, streams: Sequence[str], seed: int = 0, pause_s: float = _PAUSE_S) -> None:
        self._url = url
        self._streams = streams
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self.answers: list[GivenAnswer] = []
        self.outcomes: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._known: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed + patience), bool(patience)))
            for patience in (0, 1)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more. Safe to repeat."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, chance: random.Random, patient: bool) -> None:
        with httpx.Client(base_url=self._url, timeout=2 * _PATIENT_S) as http:
            for stream in self._again_and_again(chance):
                if self._stopping.wait(self._pause_s):
                    return
                self._ask(http, stream, patient=patient)

    def _again_and_again(self, chance: random.Random) -> Iterator[str]:
        while True:
            yield from chance.sample(self._streams, len(self._streams))

    def _ask(self, http: httpx.Client, stream: str, *, patient: bool) -> None:
        body: dict[str, Any] = {"question": QUESTION.text, "max_tokens": QUESTION.max_tokens}
        body |= {"timeout_s": _PATIENT_S} if patient else {}
        try:
            response = http.post(f"/v1/streams/{stream}/query", json=body)
        except httpx.TransportError as error:
            self.outcomes[type(error).__name__] += 1
            return
        if response.status_code == 200:
            self._keep(stream, response.json())
        else:
            self._judge(stream, response)

    def _keep(self, stream: str, answer: dict[str, Any]) -> None:
        self._known.add(stream)
        self.outcomes["answered"] += 1
        given = GivenAnswer(time.monotonic(), stream, answer["frames_seen"], answer["as_of_ms"], answer["answer"])
        self.answers.append(given)

    def _judge(self, stream: str, response: httpx.Response) -> None:
        if response.headers.get("content-type") != MEDIA_TYPE:  # Serve's own, while no router is up
            self.outcomes[f"{response.status_code} of Serve"] += 1
            passes = response.status_code in (500, 503)
        else:
            problem = response.json()
            self.outcomes[f"{response.status_code} {problem['code']}"] += 1
            # A stream that was answered for exists, whoever has died since.
            unknown = problem["code"] == "unknown-stream" and stream not in self._known
            passes = response.status_code in _PASSING or unknown
        if not passes:
            self.unexpected.append(f"{stream}: {response.status_code} {response.text}")
