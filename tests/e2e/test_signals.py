"""A signal while a command starts its broker, Ray and its workers ends all of them."""

import signal
import time

import pytest

from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration

_DEMO = ("demo", "--no-footage", "--port", "0")
_BENCH = ("bench", "recovery", "--quick")


@pytest.mark.parametrize(
    ("command", "signum", "moment", "code"),
    [
        (_DEMO, signal.SIGTERM, "starting a Kafka broker", 143),
        (_DEMO, signal.SIGINT, "loading Ray", 130),
        (_BENCH, signal.SIGTERM, "starting Ray on this machine", 143),
    ],
    ids=["Ray is loaded", "Ray starts", "workers start"],
)
def test_a_signal_during_start_up_ends_everything(hermes, command, signum, moment, code):
    # The signal comes shortly after that step has ended, that is in the middle of the next one.
    run = hermes(*command)
    run.wait_for(moment)
    time.sleep(0.5)
    run.look()
    run.process.send_signal(signum)
    run.finish(LIMIT_S)
    assert run.process.returncode == code, run.errors
    assert run.survivors() == []
    assert "Traceback" not in run.errors
