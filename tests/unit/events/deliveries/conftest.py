"""A receiver of webhooks, and a database that the runners of targets read."""

import pytest

from tests.unit.events.deliveries.delivering import SECRET
from tests.webhook_receiver import Receiver


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def secret_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture
def url(tmp_path):
    """Of a database; which of the two makes no difference to targets."""
    return f"sqlite:///{tmp_path}/events.sqlite"
