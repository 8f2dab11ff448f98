"""A Ray address that leads nowhere: real sockets, and what is said of them. No Ray cluster is needed."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from hermes_ray.cluster.control.bringup.ray_address import RayAddress, check_joinable, chosen_address
from hermes_ray.config import ClusterSettings
from hermes_ray.errors import ClusterError, ConfigError

SOURCE = "cluster.address in file hermes.yaml"
LIMIT_S = 60
"""Half a minute is what a user waits; a machine that is busy with other tests takes longer to load Ray."""


def refusal(text: str) -> str:
    """What is said of an address, in time."""
    began = time.monotonic()
    with pytest.raises(ClusterError) as raised:
        check_joinable(RayAddress(text, SOURCE))
    assert time.monotonic() - began < LIMIT_S
    assert text in str(raised.value)
    assert SOURCE in str(raised.value)
    assert "HOST:PORT" in str(raised.value)
    return str(raised.value)


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A port where somebody listens who answers every connection with the same bytes, or never."""
    with socket.create_server(("", 0)) as server:
        connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    connections.append(connection)
                    if answer is not None and connection.recv(1):
                        connection.sendall(answer)
                        connection.close()
                except OSError:
                    if server.fileno() < 0:
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes accept
            server.close()
            thread.join()
            for connection in connections:
                connection.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_nobody_listens(unused_port: int, form: str):
    assert "refused" in refusal(form.format(unused_port))


def test_something_else_listens_that_is_silent_or_speaks_another_protocol():
    with listening(None) as silent, listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web, ThreadPoolExecutor() as pool:
        addresses = [form.format(port) for form in ("127.0.0.1:{}", "ray://127.0.0.1:{}") for port in (silent, web)]
        refusals = dict(zip(addresses, pool.map(refusal, addresses), strict=True))
    assert {address for address, text in refusals.items() if "does not answer as Ray does" not in text} == set()


@pytest.mark.parametrize("form", ["{}:6379", "ray://{}:10001"])
def test_a_name_that_does_not_resolve(form: str):
    text = refusal(form.format("no-such-host.invalid"))  # RFC 2606: never resolves
    assert "name" in text.lower() or "no connection" in text  # the latter where no name server answers


def test_the_address_of_a_web_page():
    assert "HTTP" in refusal("http://127.0.0.1:8265")


@pytest.mark.parametrize(
    "text", ["garbage", "host", "host:port", "host:99999", "host:0", ":6379", "::1:6379", "ray://x"]
)
def test_what_is_no_address_is_a_wrong_setting(text: str):
    with pytest.raises(ConfigError, match="no address of a Ray cluster") as raised:
        check_joinable(RayAddress(text, SOURCE))
    assert str(raised.value).startswith(f"{SOURCE}: '{text}'")


@pytest.mark.parametrize(
    ("setting", "variable", "chosen"),
    [
        (None, None, None),
        (None, "", None),
        ("local", "head:6379", None),
        (None, "local", None),
        (None, "head:6379", RayAddress("head:6379", "environment variable RAY_ADDRESS")),
        ("auto", "head:6379", RayAddress("head:6379", "environment variable RAY_ADDRESS")),
        ("auto", None, RayAddress("auto", SOURCE)),
        ("mine:6379", "head:6379", RayAddress("mine:6379", SOURCE)),
    ],
)
def test_who_decides_which_cluster_is_meant(setting: str | None, variable: str | None, chosen: RayAddress | None):
    environment = {} if variable is None else {"RAY_ADDRESS": variable}
    assert chosen_address(ClusterSettings(address=setting), SOURCE, environment) == chosen
