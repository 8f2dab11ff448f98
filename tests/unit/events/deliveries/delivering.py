"""The runners of targets, at work."""

import asyncio
import base64
import time
from contextlib import asynccontextmanager

from hermes_ray.config import EventSettings
from hermes_ray.events.delivery.targets import runners
from hermes_ray.events.local import LocalEvents
from tests.patience import LIMIT_S

SHORT_PAUSES_S = (0.01, 0.02)
"""Between tries."""
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four ").decode()


@asynccontextmanager
async def delivering(database, may_act=lambda: True, **settings):
    """The runners of these settings, at work."""
    events = LocalEvents(database)
    found = runners(EventSettings(**settings), database, events, may_act, SHORT_PAUSES_S)
    tasks = [asyncio.create_task(one.run()) for one in found]
    try:
        await until(lambda: all(known(database, one.name) for one in found))
        yield found, events
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        events.close()


def known(database, name):
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM targets").all()
    return (name,) in [tuple(row) for row in rows]


async def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.01)
