"""A signal while a command starts its broker, Ray and its workers ends all of them."""

import signal

import pytest

from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_DEMO = ("demo", "--no-footage", "--port", "0")
_BENCH = ("bench", "recovery", "--quick")


@pytest.mark.parametrize(
    ("command", "signum", "process", "code"),
    [
        (_DEMO, signal.SIGTERM, "tansu", 143),
        (_DEMO, signal.SIGINT, "gcs_server", 130),
        (_BENCH, signal.SIGTERM, "ray::Coordinator", 143),
    ],
    ids=["the broker starts", "Ray starts", "workers start"],
)
def test_a_signal_during_start_up_ends_everything(hermes, command, signum, process, code):
    run = hermes(*command)
    run.wait_for_process(process)
    run.process.send_signal(signum)
    run.finish(LIMIT_S)
    assert run.process.returncode == code, run.errors
    assert run.survivors() == []
    assert "Traceback" not in run.errors
