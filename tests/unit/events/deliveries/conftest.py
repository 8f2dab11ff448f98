"""A receiver of webhooks, and a database that the runners of targets read."""

import pytest

from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.writing import EventWriter
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
def database(tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        yield database


@pytest.fixture
def writer(database):
    return EventWriter(database, 1000)
