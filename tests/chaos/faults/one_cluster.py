"""A cluster on a Ray of its own, in a process of its own: a driver is connected to one Ray only.

::

    python -m tests.chaos.faults.one_cluster SETTINGS.json NODES

Writes a line of JSON with its URL once it is ready. Reads what is to happen, a line each: kinds of faults, and nodes
that die or join. Writes what came of each. Ends, in order, with the end of its input.
"""

import asyncio
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from hermes_ray.api import server
from hermes_ray.cluster.wire.calls import call
from hermes_ray.cluster.wire.protocol import COORDINATOR, ClusterView
from hermes_ray.config import Settings, load
from hermes_ray.errors import HermesError
from tests.chaos.faults.injector import FaultInjector
from tests.chaos.faults.ray_nodes import RayNodes, ray_nodes
from tests.patience import LIMIT_S

_ROOT = Path(__file__).parents[3]
_DIES, _JOINS = "node-dies", "node-joins"


class OneCluster:
    """A cluster that starts when the ``with`` block is entered; :meth:`url` waits for it.

    Args:
        settings: of the cluster; its HTTP port must be 0 if there are others beside it.
        directory: for a file of settings and the log.
        name: for people.
        nodes: of its Ray, with one CPU each, beside a head that offers none; 0 for a head alone.
    """

    def __init__(self, settings: Settings, directory: Path, name: str, nodes: int = 0) -> None:
        self.name = name
        self._nodes = nodes
        self._file = directory / f"{name}.json"
        self._file.write_text(settings.model_dump_json(), encoding="utf-8")
        self._log = directory / f"{name}.log"
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._url: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._ray = tempfile.mkdtemp(prefix="ray-")  # short: Ray puts sockets there

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.chaos.faults.one_cluster", str(self._file), str(self._nodes)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env={**os.environ, "RAY_TMPDIR": self._ray},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()
        if error is not None:
            print(f"--- {self.name} ---\n{self._log.read_text(errors='replace')[-6000:]}")

    def url(self) -> str:
        """Its address, once it is ready."""
        while self._url is None:
            self._url = self._hear().get("url")
        return self._url

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`url` would return at once."""
        return self._url is not None or not self._said.empty()

    def lose_node(self, worker: str) -> None:
        """The node dies that a memory worker is on."""
        assert self.inject(f"{_DIES} {worker}")

    def add_node(self) -> None:
        """A node joins."""
        assert self.inject(_JOINS)

    def inject(self, kind: str) -> bool:
        """One fault; returns whether it could be."""
        assert self._process is not None, "it does not run"
        assert self._process.stdin is not None, "it has no input"
        print(kind, file=self._process.stdin, flush=True)
        while "injected" not in (said := self._hear()):
            self._url = said.get("url", self._url)
        return bool(said["injected"])

    def kill(self) -> None:
        """End all its processes at once, as a data centre without power."""
        assert self._process is not None, "it does not run"
        root = psutil.Process(self._process.pid)
        for process in [root, *root.children(recursive=True)]:
            if process.is_running():
                process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it in order. Safe to repeat."""
        if self._process is not None:
            if self._process.poll() is None and self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(LIMIT_S)
            self._process = None
        shutil.rmtree(self._ray, ignore_errors=True)

    def _listen(self) -> None:
        assert self._process is not None, "it does not run"
        assert self._process.stdout is not None, "it has no output"
        for line in self._process.stdout:
            if line.startswith("{"):
                self._said.put(json.loads(line))

    def _hear(self) -> dict[str, Any]:
        return self._said.get(timeout=LIMIT_S)


def _inject(settings: Settings, kinds: "queue.Queue[str | None]") -> None:
    injector = FaultInjector(settings, random.Random(0))
    while (kind := kinds.get()) is not None:
        try:
            injected = asyncio.run(injector.inject(kind))
        except HermesError:  # it has not started yet
            injected = False
        _say_injected(kind, injected)


def _change_nodes(settings: Settings, nodes: RayNodes, orders: "queue.Queue[str | None]") -> None:
    while (order := orders.get()) is not None:
        what, _, worker = order.partition(" ")
        if what == _DIES:
            nodes.kill(asyncio.run(_view(settings)).nodes[worker])
        else:
            nodes.add()
        _say_injected(order, True)


async def _view(settings: Settings) -> ClusterView:
    return await call(COORDINATOR, settings.cluster.namespace, "view", limit_s=LIMIT_S)


def _say_injected(kind: str, injected: bool) -> None:
    print(json.dumps({"injected": injected, "kind": kind, "at_s": time.monotonic()}), flush=True)


def main(settings_file: Path, count: int) -> None:
    """Run the cluster."""
    settings = load(settings_file)
    kinds: queue.Queue[str | None] = queue.Queue()
    of_nodes: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in map(str.strip, sys.stdin):
            (of_nodes if line.startswith((_DIES, _JOINS)) else kinds).put(line)
        kinds.put(None)
        of_nodes.put(None)

    with ray_nodes(os.environ["RAY_TMPDIR"], count) as nodes:
        threading.Thread(target=_inject, args=(settings, kinds), daemon=True).start()
        threading.Thread(target=read, daemon=True).start()
        try:
            url = server.start(settings, ready_timeout_s=LIMIT_S).url
            print(json.dumps({"url": url}), flush=True)
            _change_nodes(settings, nodes, of_nodes)  # in this thread, or Ray ends a node with the thread that added it
        finally:
            server.stop(settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
