"""Webhooks are told of every event that they want, in order, over restarts; what they never take is written down."""

import asyncio
import contextlib

import pytest
import standardwebhooks

from hermes_ray.config import WebhookSettings
from hermes_ray.errors import DeliveryFailed
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.delivery.webhook import Webhook
from hermes_ray.events.kept import KeptEvent
from hermes_ray.transport.event import EventKind
from hermes_ray.transport.topic_ends import TopicEnds
from tests.patience import LIMIT_S
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store
from tests.unit.events.deliveries.delivering import SECRET, delivering, until


async def test_a_request_is_signed_as_the_standard_says(receiver, secret_file):
    webhook = Webhook(WebhookSettings(url=receiver.url, secret_file=secret_file))
    await webhook.deliver(KeptEvent(1, match(7), frozenset({0})))
    await webhook.close()
    ((headers, body),) = receiver.requests
    lower = {name.lower(): value for name, value in headers.items()}
    verified = standardwebhooks.Webhook(SECRET).verify(body, lower)
    assert (verified["type"], verified["data"]["id"]) == ("event.match", lower["webhook-id"])
    assert verified["data"]["evidence"][0]["thumbnail"] == f"/v1/events/{match(7).id}/thumbnails/0.jpg"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body + b" ", lower)


async def test_each_target_is_told_what_it_wants_in_order(database, writer, receiver, secret_file):
    store(writer, match(1))
    hook = {"url": receiver.url, "secret_file": secret_file, "streams": ["ga*"], "rules": ["truck"]}
    async with delivering(database, webhooks={"door": hook}) as (_, events):
        store(writer, match(2), match(3, stream="yard"), match(4, rule="cat"), line(5, "All quiet."))
        store(writer, match(6, kind=EventKind.CLEAR, id="c1ea7"))
        events.announce()
        await until(lambda: len(receiver.taken) == 2)
    assert receiver.frames == [2, 6]  # and not the one from before there was this target


async def test_an_answer_that_never_ends_is_a_failure_in_time(secret_file):
    async def drip(reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 204 No Content\r\n")
            while True:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    door = Webhook(WebhookSettings(url=url, secret_file=secret_file, timeout_s=0.2))
    async with server, asyncio.timeout(LIMIT_S):
        with pytest.raises(DeliveryFailed, match="TimeoutError"):
            await door.deliver(KeptEvent(1, match(1)))
        await door.close()


async def test_a_restart_goes_on_where_it_was(database, writer, receiver, secret_file):
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as (_, events):
        store(writer, match(1))
        events.announce()
        await until(lambda: receiver.frames == [1])
    store(writer, match(2), match(3))
    async with delivering(database, webhooks={"door": hook}):
        await until(lambda: 3 in receiver.frames)
    assert list(dict.fromkeys(receiver.frames)) == [1, 2, 3]


async def test_nobody_is_told_while_another_cluster_may_do_it(database, writer, receiver, secret_file):
    hook = {"url": receiver.url, "secret_file": secret_file}
    owner = [True]
    async with delivering(database, lambda: owner[0], webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1))
        events.announce()
        await until(lambda: receiver.frames == [1])
        owner[0] = False
        store(writer, match(2), match(3), match(4))
        events.announce()
        await until(lambda: door.trouble == NOT_CERTAIN)
        # The other one has told of two, and then ends.
        TargetProgress(database, "webhook:door").reached(3)
        TargetProgress(database, "webhook:door").reached(2)  # what this one had under way
        assert receiver.frames == [1]
        owner[0] = True
        await until(lambda: door.delivered == 2)
    assert receiver.frames == [1, 4]
    assert door.trouble is None


async def test_a_delivery_that_is_tried_again_and_again_ends_with_the_claim(database, writer, receiver, secret_file):
    receiver.statuses = [503] * 1_000
    hook = {"url": receiver.url, "secret_file": secret_file}
    owner = [True]
    async with delivering(database, lambda: owner[0], webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1))
        events.announce()
        await until(lambda: len(receiver.requests) > 2)
        owner[0] = False
        await until(lambda: door.trouble == NOT_CERTAIN)
        tried = len(receiver.requests)
        receiver.statuses = []
        owner[0] = True
        await until(lambda: door.delivered == 1)
    assert len(receiver.requests) == tried + 1
    assert door.given_up == 0


async def test_a_target_that_is_away_is_tried_again(database, writer, receiver, secret_file):
    receiver.statuses = [503, 500, 429, 204]
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1), match(2))
        events.announce()
        await until(lambda: door.delivered == 2)
    assert receiver.frames == [1, 2]
    assert [headers["webhook-id"] for headers, _ in receiver.requests[:4]] == [match(1).id] * 4


async def test_what_is_refused_for_good_is_written_down(database, writer, receiver, secret_file):
    receiver.statuses = [302, 410, 400, 401, 404]
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1), match(2))
        events.announce()
        await until(lambda: door.delivered == 1)
        (failed,) = await events.failed_deliveries((), 10)
    assert receiver.frames == [2]
    assert (failed.target, failed.event.event.frame, failed.attempts) == ("webhook:door", 1, 5)
    assert "status 404" in failed.reason
    assert {headers["Host"] for headers, _ in receiver.requests} == {receiver.url.split("/")[2]}  # nobody was followed


async def test_a_target_away_for_too_long_loses_the_event_and_not_the_next(database, writer, receiver, secret_file):
    receiver.statuses = [503] * 2000
    hook = {"url": receiver.url, "secret_file": secret_file, "give_up_after_s": 0.05}
    async with delivering(database, webhooks={"door": hook}) as ((door,), events):
        store(writer, match(1), match(2))
        events.announce()
        await until(lambda: door.given_up == 1)
        receiver.statuses.clear()
        await until(lambda: door.delivered + door.given_up == 2)


async def test_an_erased_event_is_not_delivered(database, writer, receiver, secret_file):
    receiver.statuses = [503] * 100_000
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as (_, events):
        store(writer, match(1))
        events.announce()
        await until(lambda: len(receiver.requests) > 2)
        writer.erase("gate", TopicEnds(LOG, {0: 1}), NOW_MS)
        receiver.statuses.clear()
        store(writer, match(9, stream="yard"))
        events.announce()
        await until(lambda: 9 in receiver.frames)
    assert match(1).id not in [event["id"] for event in receiver.taken]


async def test_once_a_stream_is_erased_a_target_is_told_no_more_than_that_its_match_is_over(
    database, writer, receiver, secret_file
):
    hook = {"url": receiver.url, "secret_file": secret_file}
    async with delivering(database, webhooks={"door": hook}) as ((door,), events):
        receiver.may_answer.clear()
        store(writer, match(1), match(2))
        events.announce()
        await until(lambda: len(receiver.requests) == 1)
        writer.erase("gate", TopicEnds(LOG, {0: 2}), NOW_MS)
        done = asyncio.create_task(door.finish_telling("gate"))
        await door.finish_telling("yard")
        assert not done.done()  # of one event it is being told just now
        receiver.may_answer.set()
        await asyncio.wait_for(done, LIMIT_S)
        events.announce()
        await until(lambda: len(receiver.taken) == 2)
    end = receiver.taken[1]
    assert (end["kind"], end["stream"], end["rule"], end["question"]) == ("clear", "gate", "truck", "")


@pytest.mark.parametrize("secret", ["", "whsec_", "no base64!", "\xff"])
async def test_a_file_without_a_secret_sends_nothing(receiver, tmp_path, secret):
    file = tmp_path / "empty"
    file.write_bytes(secret.encode("latin-1"))
    webhook = Webhook(WebhookSettings(url=receiver.url, secret_file=file))
    with pytest.raises(DeliveryFailed, match="secret_file"):
        await webhook.deliver(KeptEvent(1, match(1)))
    await webhook.close()
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["ftp://host/x", "https://user:pw@host/", "/hook", "https://"])
def test_wrong_addresses_are_refused(url, secret_file):
    with pytest.raises(ValueError, match="url"):
        WebhookSettings(url=url, secret_file=secret_file)
