"""The load: users who ask every stream over HTTP, all the time, and write down what they get."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from hermes_ray.api.schemas.questions import AnswerResponse
from hermes_ray.bench.recovery.timeline import Arrivals, FrameGrid, Reply
from hermes_ray.client import HermesClient
from hermes_ray.errors import HermesError

QUESTION = "what is in view now ?"
_RETRY_S = 0.2
"""Between two tries to see a frame; the resolution of recovery times where questions are refused."""
_WAITING_LIMIT_S = 120.0
_CLOSE_LIMIT_S = 5.0


def ask(client: HermesClient, stream: str, *, as_of_ms: int | None = None, timeout_s: float | None = None) -> Reply:
    """Ask for one token, as a stream of events, so that the first token is seen when it comes.

    Args:
        client: of the API, for one thread.
        stream: whom to ask.
        as_of_ms: wait for the frame of that capture time.
        timeout_s: wait through moves and recoveries for so long; ``None`` is refused instead.
    """
    parameters: dict[str, object] = {"max_tokens": 1}
    if as_of_ms is not None:
        parameters["as_of"] = datetime.fromtimestamp(as_of_ms / 1000, UTC).isoformat()
    if timeout_s is not None:
        parameters["timeout_s"] = timeout_s
    sent_s = time.time()
    first_s: float | None = None
    try:
        for item in client.ask_stream(stream, QUESTION, **parameters):  # pyright: ignore[reportArgumentType]
            first_s = first_s or time.time()
            if isinstance(item, AnswerResponse):
                return Reply(sent_s, first_s, None, item.as_of_ms, item.frames_seen)
    except HermesError as error:
        return Reply(sent_s, time.time(), error.code)
    raise AssertionError("ask_stream ends with an answer or an error")


class LoadGenerator:
    """For every stream one user who waits for each new frame, and one who asks at a steady pace.

    Args:
        url: of the API.
        grids: when the frames of each stream are taken.
        every_s: between two questions of the steady one to a stream.

    Attributes:
        arrivals: by stream, when its frames could be asked about.
        replies: by stream, what became of the steady questions, in order.
    """

    def __init__(self, url: str, grids: Mapping[str, FrameGrid], every_s: float) -> None:
        self._url = url
        self._every_s = every_s
        self._ending = threading.Event()
        self.arrivals = {stream: Arrivals(grid) for stream, grid in grids.items()}
        self.replies: dict[str, list[Reply]] = {stream: [] for stream in grids}
        self._users = ThreadPoolExecutor(2 * len(grids), thread_name_prefix="user")
        self._asking: list[Future[None]] = []

    def start(self) -> None:
        """Begin asking."""
        self._asking = [
            self._users.submit(role, stream) for stream in self.replies for role in (self._watch, self._ask_steadily)
        ]

    def check(self) -> None:
        """Raise what ended a user, if anything did."""
        for user in self._asking:
            if user.done():
                user.result()

    def close(self) -> None:
        """Stop asking. Questions under way are waited for, a few seconds at most."""
        self._ending.set()
        wait(self._asking, timeout=_CLOSE_LIMIT_S)
        self._users.shutdown(wait=False)

    def ask_and_wait(self, stream: str) -> Reply:
        """One question that waits through a recovery instead of being refused."""
        with HermesClient(self._url) as client:
            return ask(client, stream, timeout_s=_WAITING_LIMIT_S)

    def _watch(self, stream: str) -> None:
        """Ask for the oldest frame that no answer has seen yet, as soon as it is taken; again and again if refused."""
        seen = self.arrivals[stream]
        with HermesClient(self._url) as client:
            while not self._ending.is_set():
                wanted = seen.newest + 1
                if self._ending.wait(max(0.0, seen.grid.captured_s(wanted) - time.time())):
                    return
                reply = ask(client, stream, as_of_ms=seen.grid.start_ms + wanted * seen.grid.period_ms)
                if reply.as_of_ms is not None:
                    seen.add(seen.grid.frame_at(reply.as_of_ms), reply.ended_s)
                else:
                    self._ending.wait(_RETRY_S)

    def _ask_steadily(self, stream: str) -> None:
        due_s = time.monotonic()
        with HermesClient(self._url) as client:
            while not self._ending.wait(max(0.0, due_s - time.monotonic())):
                self.replies[stream].append(ask(client, stream))
                due_s = max(due_s + self._every_s, time.monotonic())
