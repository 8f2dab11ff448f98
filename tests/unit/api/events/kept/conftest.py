"""An application over a database of events."""

import pytest

from hermes_ray.config import EventSettings
from hermes_ray.events.database import EventDatabase
from tests.unit.api.conftest import in_process, on_socket
from tests.unit.api.events.kept.application import Kept


@pytest.fixture
def kept(engine, tmp_path):
    with EventDatabase(f"sqlite:///{tmp_path}/events.sqlite", EventSettings()) as database:
        database.prepare()
        yield Kept(engine, database)


@pytest.fixture
async def http(kept):
    async with in_process(kept.app()) as client:
        yield client


@pytest.fixture
def url(kept):
    with on_socket(kept.app()) as url:
        yield url
