"""The way to an API, which a test kills or freezes."""

import sys
from pathlib import Path

import httpx

from tests.service import Service


class Way(Service):
    """The way to an API on this machine, from a port."""

    def __init__(self, url: str, log: Path, port: int) -> None:
        super().__init__([sys.executable, "-m", "tests.console.support.relay", str(port), url.rpartition(":")[2]], log)
        self.url = f"http://127.0.0.1:{port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False
