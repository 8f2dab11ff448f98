"""One person who asks about one camera after the other, at a steady pace."""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from hermes_ray.bench.recovery.load_generator import ask
from hermes_ray.bench.recovery.timeline import Reply
from hermes_ray.client import HermesClient


class Asker:
    """Asks from a thread of its own.

    Args:
        url: of the API.
        every_s: from one question to the next, unless the answer takes longer.
    """

    def __init__(self, url: str, every_s: float) -> None:
        self._url = url
        self._every_s = every_s
        self._streams: Sequence[str] = ()
        self._replies: list[Reply] = []
        self._ending = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asker")
        self._asking: Future[None] | None = None

    def start(self) -> None:
        """Begin; nothing is asked before there are streams."""
        self._asking = self._thread.submit(self._ask)

    def close(self) -> None:
        """Stop, behind the question that is under way."""
        self._ending.set()
        self._thread.shutdown()

    def ask_about(self, streams: Sequence[str]) -> None:
        """Ask about these from now on, in turn."""
        self._streams = streams

    def replies(self) -> list[Reply]:
        """What has been answered or refused since the last call."""
        if self._asking is not None and self._asking.done():
            self._asking.result()
        replies, self._replies = self._replies, []
        return replies

    def _ask(self) -> None:
        with HermesClient(self._url) as client:
            for number in itertools.count():
                streams, began_s = self._streams, time.monotonic()
                if streams:
                    # One out of step with the films, so that it is not always the same of them.
                    self._replies.append(ask(client, streams[number * 7 % len(streams)]))
                if self._ending.wait(max(0.0, began_s + self._every_s - time.monotonic())):
                    return
