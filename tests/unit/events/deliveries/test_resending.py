"""What was given up is sent again when somebody asks for it, and what is refused again stays on the list."""

import time
from contextlib import asynccontextmanager

from hermes_ray.config import MqttSettings
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.kept import EventFilter, Resent
from hermes_ray.events.local import LocalEvents
from tests.service import free_ports
from tests.unit.events.conftest import match, store
from tests.unit.events.deliveries.delivering import delivering, until


@asynccontextmanager
async def refused(database, writer, receiver, secret_file, frames):
    """A webhook that has refused these frames' events for good, and is mended."""
    receiver.statuses = [404] * 5 * len(frames)
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as ((door,), events):
        store(writer, *[match(frame) for frame in frames])
        events.announce()
        await until(lambda: door.given_up == len(frames))
        receiver.requests.clear()
        yield door, events


async def test_what_was_given_up_is_sent_again_oldest_first_and_leaves_the_list(
    database, writer, receiver, secret_file
):
    async with refused(database, writer, receiver, secret_file, [1, 2, 3]) as (door, events):
        assert await events.resend((), "webhook:door", [match(2).id]) == Resent(1, 0)
        await until(lambda: door.delivered == 1)
        assert await events.resend((), None, []) == Resent(2, 0)
        await until(lambda: door.delivered == 3)
        assert await events.failed_deliveries((), 10) == []
        assert await events.resend((), None, []) == Resent(0, 0)
        store(writer, match(4))
        events.announce()
        await until(lambda: door.delivered == 4)
    assert receiver.frames == [2, 1, 3, 4]
    assert [headers["webhook-id"] for headers, _ in receiver.requests[:1]] == [match(2).id]


async def test_each_target_is_sent_its_share_again_and_the_rest_is_said(database, writer):
    store(writer, *[match(frame) for frame in range(1, 8)])
    events, sent = LocalEvents(database, most_resent=2), {"webhook:door": [], "webhook:yard": []}
    for name, told in sent.items():
        events.sends_again(name, told.append)
    kept = (await events.updates("", 0, EventFilter(), 10, 0.0)).events
    for one in kept[:5]:
        TargetProgress(database, "webhook:door").give_up(one, 5, "status 404")
    for one in kept[5:]:  # later than those of the other target
        TargetProgress(database, "webhook:yard").give_up(one, 5, "status 404")
    TargetProgress(database, "webhook:gone").give_up(kept[0], 5, "status 404")
    assert await events.resend((), None, []) == Resent(queued=4, left=1, waiting=3)
    frames = {name: [failed.event.event.frame for failed in told] for name, told in sent.items()}
    assert frames == {"webhook:door": [1, 2], "webhook:yard": [6, 7]}
    # The one is taken, the other is refused again: its turn comes behind those that have waited.
    progress = TargetProgress(database, "webhook:door")
    progress.sent_after_all(kept[0])
    await until_the_clock_moves()
    progress.failed_again(kept[1], 6, "status 404")
    sent["webhook:door"].clear()
    assert await events.resend((), "webhook:door", []) == Resent(queued=2, left=0, waiting=2)
    assert [failed.event.event.frame for failed in sent["webhook:door"]] == [3, 4]
    events.close()


async def until_the_clock_moves():
    began_ms = time.time_ns() // 1_000_000
    await until(lambda: time.time_ns() // 1_000_000 > began_ms)


async def test_what_is_refused_again_stays_on_the_list_and_stops_nothing(database, writer, receiver, secret_file):
    async with refused(database, writer, receiver, secret_file, [1, 2]) as (door, events):
        receiver.statuses = [410]
        await events.resend((), None, [])
        await until(lambda: door.delivered == 1)
        (failed,) = await events.failed_deliveries((), 10)
    assert (failed.event.event.frame, failed.attempts) == (1, 6)
    assert "status 410" in failed.reason
    assert receiver.frames == [2]


async def test_a_receiver_that_is_away_again_is_tried_once_and_told_what_is_new(
    database, writer, receiver, secret_file
):
    async with refused(database, writer, receiver, secret_file, [1, 2, 3]) as (door, events):
        receiver.statuses = [503]
        await events.resend((), None, [])
        await until(lambda: len(receiver.requests) == 1)
        store(writer, match(4))
        events.announce()
        await until(lambda: door.delivered == 1)
        failed = await events.failed_deliveries((), 10)
    assert receiver.frames == [4]
    assert {one.event.event.frame: one.attempts for one in failed} == {1: 6, 2: 5, 3: 5}


async def test_what_is_sent_again_waits_while_another_cluster_may_do_it(database, writer, receiver, secret_file):
    receiver.statuses = [404] * 10
    hook = {"url": receiver.url, "secret_file": secret_file}
    owner = [True]

    def may_act():
        return owner[0] or not receiver.frames

    async with delivering(database, may_act, webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1), match(2))
        events.announce()
        await until(lambda: door.given_up == 2)
        owner[0] = False  # from the first that is taken
        await events.resend((), None, [])
        await until(lambda: door.trouble == NOT_CERTAIN)
        assert receiver.frames == [1]
        owner[0] = True
        await until(lambda: door.delivered == 2)
    assert receiver.frames == [1, 2]


async def test_what_nobody_can_be_told_late_is_left(database, writer, secret_file):
    store(writer, match(1), match(2))
    settings = {"mqtt": MqttSettings(host="127.0.0.1", port=free_ports(1)[0])}
    async with delivering(database, **settings) as (_, events):
        first, second = (await events.updates("", 0, EventFilter(), 10, 0.0)).events
        TargetProgress(database, "mqtt").give_up(first, 1, "away")
        TargetProgress(database, "webhook:gone").give_up(second, 5, "status 404")
        assert await events.resend((), None, []) == Resent(0, 2)
        assert len(await events.failed_deliveries((), 10)) == 2
