"""What clusters tell of streams over HTTP, whichever of them has the streams."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from tests.patience import LIMIT_S

_LOOK_S = 0.5
_CHECK_S = 0.1


class Told:
    """Looks at all streams all the time, from entering the ``with`` block until it is left.

    Args:
        streams: that there are.

    Attributes:
        urls: of the clusters that are looked at.
        told: everything that was told: stream, frames seen, and capture time of the newest of them.
        workers: of every stream, the worker that has it, as was told last.
    """

    def __init__(self, streams: Sequence[str]) -> None:
        self.urls: list[str] = []
        self.told: list[tuple[str, int, int]] = []
        self.workers: dict[str, str] = {}
        self._streams = streams
        self._frames = dict.fromkeys(streams, 0)
        self._newest_ms = dict.fromkeys(streams, -1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def frames(self, stream: str) -> int:
        """The most frames that were told of a stream."""
        return self._frames[stream]

    def newest_ms(self, stream: str) -> int:
        """Capture time of a stream's newest frame that was told of; -1 before the first."""
        return self._newest_ms[stream]

    def until(self, frames: Mapping[str, int]) -> None:
        """Wait until every stream has been seen to have so many."""
        deadline_s = time.monotonic() + LIMIT_S
        while any(self.frames(stream) < count for stream, count in frames.items()):
            seen = {stream: self.frames(stream) for stream in self._streams}
            assert time.monotonic() < deadline_s, f"{seen}, expected {frames}"
            time.sleep(_CHECK_S)

    def until_flowing(self) -> None:
        """Wait until every stream has more frames than now."""
        self.until({stream: self.frames(stream) + 1 for stream in self._streams})

    def until_all_go_on(self, newest_ms: Mapping[str, int]) -> None:
        """Wait until of every stream a frame is told of that was captured after these times."""
        deadline_s = time.monotonic() + LIMIT_S
        while waiting := [stream for stream, ts_ms in newest_ms.items() if self.newest_ms(stream) <= ts_ms]:
            assert time.monotonic() < deadline_s, f"{waiting} not after {newest_ms}"
            time.sleep(_CHECK_S)

    def until_spread(self, *streams: int) -> None:
        """Wait until workers have so many streams each, the fewest first."""
        deadline_s = time.monotonic() + LIMIT_S
        while sorted(Counter(self.workers.values()).values()) != list(streams):
            assert time.monotonic() < deadline_s, f"expected {streams} streams on workers: {self.workers}"
            time.sleep(_CHECK_S)

    def _run(self) -> None:
        with httpx.Client(timeout=30) as http:
            while not self._stopping.wait(_LOOK_S):
                for url in list(self.urls):
                    self._look(http, url)

    def _look(self, http: httpx.Client, url: str) -> None:
        try:
            response = http.get(f"{url}/v1/streams")
        except httpx.TransportError:
            return
        listed: list[dict[str, Any]] = response.json()["streams"] if response.status_code == 200 else []
        for one in listed:
            self.workers[one["id"]] = one["worker"]
            if one["as_of_ms"] is not None:
                self._hear(one["id"], one["frames_seen"], one["as_of_ms"])

    def _hear(self, stream: str, frames: int, as_of_ms: int) -> None:
        self.told.append((stream, frames, as_of_ms))
        self._frames[stream] = max(self._frames[stream], frames)
        self._newest_ms[stream] = max(self._newest_ms[stream], as_of_ms)
