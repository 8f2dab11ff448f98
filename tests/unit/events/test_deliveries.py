"""Targets are told of every event that they want, in order, over restarts; what they never take is written down."""

import asyncio
import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager

import aiomqtt
import pytest
import standardwebhooks

from hermes_ray.config import EventSettings, MqttSettings, WebhookSettings
from hermes_ray.errors import DeliveryFailed
from hermes_ray.events.contract import NOT_CERTAIN
from hermes_ray.events.database import EventDatabase
from hermes_ray.events.delivery.mqtt import topic_name
from hermes_ray.events.delivery.progress import TargetProgress
from hermes_ray.events.delivery.targets import runners
from hermes_ray.events.delivery.webhook import Webhook
from hermes_ray.events.kept import EventFilter, KeptEvent, Resent
from hermes_ray.events.local import LocalEvents
from hermes_ray.events.writing import EventWriter
from hermes_ray.transport.event import EventKind
from hermes_ray.transport.topic_ends import TopicEnds
from tests.patience import LIMIT_S
from tests.unit.events.conftest import LOG, NOW_MS, line, match, store
from tests.webhook_receiver import Receiver

SHORT_PAUSES_S = (0.01, 0.02)
"""Between tries."""
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four ").decode()


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
    settings = {"mqtt": MqttSettings(host="127.0.0.1", port=free_port())}
    async with delivering(database, **settings) as (_, events):
        first, second = (await events.updates("", 0, EventFilter(), 10, 0.0)).events
        TargetProgress(database, "mqtt").give_up(first, 1, "away")
        TargetProgress(database, "webhook:gone").give_up(second, 5, "status 404")
        assert await events.resend((), None, []) == Resent(0, 2)
        assert len(await events.failed_deliveries((), 10)) == 2


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


@contextmanager
def mosquitto(tmp_path, port):
    """A real broker with a password."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (Debian: mosquitto)")
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "hermes", "open-sesame"], check=True, capture_output=True
    )
    passwords.chmod(0o644)
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\npassword_file {passwords}\nuser root\nlog_type none\n")
    process = subprocess.Popen([program, "-c", configuration])
    try:
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@asynccontextmanager
async def listening(port, *topics):
    """What a client hears on these topics, retained messages first; by topic the last."""
    heard: dict[str, str] = {}
    async with aiomqtt.Client("127.0.0.1", port, username="hermes", password="open-sesame") as client:
        for topic in topics:
            await client.subscribe(topic, qos=1)

        async def hear():
            async for message in client.messages:
                heard[str(message.topic)] = message.payload.decode()

        task = asyncio.create_task(hear())
        try:
            yield heard
        finally:
            task.cancel()


async def test_home_assistant_is_told_of_things_and_their_state(database, writer, tmp_path):
    port = free_port()
    (tmp_path / "password").write_text("open-sesame\n")
    settings = MqttSettings(
        host="127.0.0.1",
        port=port,
        username="hermes",
        password_file=tmp_path / "password",
        kinds=("match", "clear", "journal"),
    )
    with mosquitto(tmp_path, port):
        async with delivering(database, mqtt=settings) as ((mqtt,), events):
            store(writer, match(1, rule="red truck?"), line(2, "A red truck leaves."))
            events.announce()
            await until(lambda: mqtt.delivered == 2)
            async with listening(port, "hermes/#", "homeassistant/#") as heard:
                rule = topic_name("red truck?")
                await until(lambda: len(heard) == 7)
                config = json.loads(heard[f"homeassistant/binary_sensor/hermes_gate_{rule}/config"])
                assert heard[config["state_topic"]] == "ON"
                assert heard[config["availability_topic"]] == "online"
                assert json.loads(heard[config["json_attributes_topic"]])["id"] == match(1, rule="red truck?").id
                assert config["device"]["name"] == "gate"
                assert heard["hermes/gate/journal/state"] == "A red truck leaves."
                store(writer, match(3, rule="red truck?", kind=EventKind.CLEAR, id="c1ea7"))
                events.announce()
                await until(lambda: heard[config["state_topic"]] == "OFF")
        async with listening(port, "hermes/status") as heard:
            await until(lambda: heard.get("hermes/status") == "offline")


async def test_a_broker_that_comes_back_is_told_the_rest_as_soon_as_it_is_there(
    database, writer, tmp_path, monkeypatch
):
    monkeypatch.setattr("hermes_ray.events.delivery.mqtt._LIMIT_S", 2 * LIMIT_S)  # of an acknowledgement
    port = free_port()
    (tmp_path / "password").write_text("open-sesame\n")
    settings = MqttSettings(host="127.0.0.1", port=port, username="hermes", password_file=tmp_path / "password")
    async with delivering(database, mqtt=settings) as ((mqtt,), events):
        with mosquitto(tmp_path, port):
            store(writer, match(1))
            events.announce()
            await until(lambda: mqtt.delivered == 1)
        store(writer, match(2))
        events.announce()
        await until(lambda: mqtt.behind_s > 0)
        with mosquitto(tmp_path, port):
            await until(lambda: mqtt.delivered == 2)
            async with listening(port, "hermes/#") as heard:
                await until(lambda: "hermes/gate/truck/event" in heard)
                assert json.loads(heard["hermes/gate/truck/event"])["frame"] == 2
