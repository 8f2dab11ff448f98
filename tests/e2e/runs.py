"""A ``hermes`` command under test, with every process that it ever had."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from hermes_ray.client import HermesClient
from tests.patience import LIMIT_S

HERMES = str(Path(sys.executable).with_name("hermes"))
_READ_S = 0.1
ASK_S = 0.5
"""Each question about the streams takes a proxy, a router and the Coordinator."""
_LOOK_S = 0.5
"""Each look reads all of /proc, which would cost the system under test much of a core if it were done all the time."""


class Run:
    """One ``hermes`` process and every process that it ever had.

    Args:
        directory: where it runs.
        arguments: of ``hermes``.
        env: variables beside those of the tests, or instead of them.
        inherit: whether it has those of the tests.
    """

    def __init__(
        self, directory: Path, *arguments: str, env: dict[str, str] | None = None, inherit: bool = True
    ) -> None:
        self.error_file = directory / "stderr"
        with self.error_file.open("w") as errors:
            self.process = subprocess.Popen(
                [HERMES, *arguments],
                cwd=directory,
                env=(os.environ | {"XDG_STATE_HOME": str(directory / "state")} if inherit else {}) | (env or {}),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._family: dict[int, psutil.Process] = {}
        self._looked_s = 0.0

    @property
    def errors(self) -> str:
        return self.error_file.read_text()

    def look(self) -> int:
        """Remember the present descendants; return how many were ever seen."""
        self._looked_s = time.monotonic()
        try:
            descendants = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            descendants = []
        self._family |= {process.pid: process for process in descendants}
        return len(self._family)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while text not in self.errors:
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < deadline, self.errors
            self._look_now_and_then()
            time.sleep(_READ_S)

    def wait_for_process(self, name: str) -> None:
        """Wait until a descendant runs whose command line has that in it."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            self.look()
            for process in self._family.values():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if any(name in word for word in process.cmdline()):
                        return
            assert self.process.poll() is None, self.errors
            assert time.monotonic() < deadline, self.errors
            time.sleep(_READ_S)

    def finish(self, limit_s: float) -> str:
        deadline = time.monotonic() + limit_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.errors
            self._look_now_and_then()
            time.sleep(_READ_S)
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def _look_now_and_then(self) -> None:
        if time.monotonic() > self._looked_s + _LOOK_S:
            self.look()

    def survivors(self) -> list[str]:
        # is_running is false for another process that has got the same id meanwhile.
        return [f"{process.pid} {process.name()}" for process in self._family.values() if process.is_running()]

    def kill(self) -> None:
        self.look()
        for process in self._family.values():
            if process.is_running():
                process.kill()
        self.process.kill()
        self.process.wait()


def wait_for_frames(url: str, stream_id: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    with HermesClient(url) as client:
        while time.monotonic() < deadline:
            if any(stream.id == stream_id and stream.frames_seen for stream in client.streams()):
                return
            time.sleep(ASK_S)
    raise AssertionError(f"{stream_id} has no frames after {LIMIT_S} s")
