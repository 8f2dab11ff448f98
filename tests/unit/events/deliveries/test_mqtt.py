"""Home Assistant is told through a real MQTT broker, also one that was away."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager

import aiomqtt
import pytest

from hermes_ray.config import MqttSettings
from hermes_ray.events.delivery.mqtt import topic_name
from hermes_ray.transport.event import EventKind
from tests.patience import LIMIT_S
from tests.service import free_ports
from tests.unit.events.conftest import line, match, store
from tests.unit.events.deliveries.delivering import delivering, until


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
    port = free_ports(1)[0]
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
    port = free_ports(1)[0]
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
