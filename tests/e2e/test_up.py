"""``hermes up`` where there is no Kafka. With one, it is in test_first_hour.py."""

import pytest

from tests.patience import LIMIT_S

pytestmark = pytest.mark.integration


def test_without_a_broker_up_says_so_and_starts_nothing(hermes):
    run = hermes("up", "--bootstrap", "127.0.0.1:9", "--set", "kafka.request_timeout_s=0.5")
    run.finish(LIMIT_S)
    assert run.process.returncode == 1
    assert "error (broker-unavailable)" in run.errors
    assert "127.0.0.1:9" in run.errors
    assert "Traceback" not in run.errors
    assert run.look() == 0
