"""Delivers events to an MQTT broker, and announces them to Home Assistant (its MQTT discovery).

::

    hermes/status                  online, or offline when the sink's connection has ended
    hermes/STREAM/RULE/state       ON or OFF of a standing question; of the journal its newest line
    hermes/STREAM/RULE/event       the newest event, JSON as the HTTP API has it

All are retained, so that whoever comes later knows how things are. Characters of names that have a meaning in topics
are replaced.
"""

import asyncio
import hashlib
import json
import re
import ssl
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiomqtt

from hermes_ray import __version__
from hermes_ray.config import MqttSettings
from hermes_ray.errors import DeliveryFailed
from hermes_ray.events.describing import described
from hermes_ray.events.kept import KeptEvent
from hermes_ray.transport.event import Event, EventKind

_LIMIT_S = 10.0
_LONGEST_STATE = 255
"""Characters of a state that Home Assistant takes."""
_GIVE_UP_AFTER_S = 86_400.0


class MqttBroker:
    """One broker. The connection stays open, so that its end is told as ``offline``.

    Args:
        settings: where, as whom, under which topics.
    """

    give_up_after_s = _GIVE_UP_AFTER_S
    takes_old_events = False  # what is retained is the newest

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._connection = AsyncExitStack()
        self._client: aiomqtt.Client | None = None
        self._ended: asyncio.Task[None] | None = None
        self._announced: set[str] = set()

    async def keep(self) -> None:
        """Be connected, and say so.

        Raises:
            DeliveryFailed: the broker is away or does not let us in.
        """
        await self._publish(f"{self._settings.prefix}/status", "online")

    async def deliver(self, kept: KeptEvent) -> None:
        """Publish an event, acknowledged by the broker (quality of service 1).

        Raises:
            DeliveryFailed: the broker is away or does not take it.
        """
        event = kept.event
        topic = f"{self._settings.prefix}/{topic_name(event.stream_id)}/{topic_name(event.rule)}"
        await self._announce(event, topic)
        await self._publish(f"{topic}/event", json.dumps(described(kept)))
        await self._publish(f"{topic}/state", _state(event))

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            with suppress(DeliveryFailed):
                await self._publish(f"{self._settings.prefix}/status", "offline")
        await self._disconnect()

    async def _announce(self, event: Event, topic: str) -> None:
        discovery = self._settings.discovery_prefix
        if discovery is None or topic in self._announced:
            return
        component, config = announcement(event, topic, self._settings.prefix)
        await self._publish(f"{discovery}/{component}/{config['unique_id']}/config", json.dumps(config))
        self._announced.add(topic)

    async def _publish(self, topic: str, payload: str) -> None:
        where = f"MQTT broker {self._settings.host}:{self._settings.port}"
        try:
            if self._client is None:
                await self._connect()
            await self._send(topic, payload)
        except (aiomqtt.MqttError, OSError, ssl.SSLError, UnicodeDecodeError) as error:
            await self._disconnect()
            raise DeliveryFailed(f"{where}: {error}") from error

    async def _connect(self) -> None:
        settings = self._settings
        status = f"{settings.prefix}/status"
        file = settings.password_file
        client = aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=None if file is None else file.read_text(encoding="utf-8").rstrip("\r\n"),
            will=aiomqtt.Will(status, "offline", qos=1, retain=True),
            tls_context=ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None,
            timeout=_LIMIT_S,
        )
        self._client = await self._connection.enter_async_context(client)
        self._ended = asyncio.create_task(_end_of(client))
        self._connection.callback(self._ended.cancel)
        self._announced.clear()  # the broker may have lost what it retained
        await self._send(status, "online")

    async def _send(self, topic: str, payload: str) -> None:
        """Publish and await the acknowledgement, which never comes if the connection ends meanwhile."""
        assert self._client is not None and self._ended is not None
        sent = asyncio.create_task(self._client.publish(topic, payload, qos=1, retain=True, timeout=_LIMIT_S))
        try:
            await asyncio.wait((sent, self._ended), return_when=asyncio.FIRST_COMPLETED)
            if not sent.done():
                raise aiomqtt.MqttError("the connection ended")
            sent.result()
        finally:
            sent.cancel()

    async def _disconnect(self) -> None:
        self._client = None
        with suppress(aiomqtt.MqttError, OSError):
            await self._connection.aclose()
        self._connection = AsyncExitStack()


async def _end_of(client: aiomqtt.Client) -> None:
    """Wait until it has no connection any more. Nothing is subscribed to, so that no message comes."""
    with suppress(aiomqtt.MqttError):
        async for _ in client.messages:
            pass


def announcement(event: Event, topic: str, prefix: str) -> tuple[str, dict[str, Any]]:
    """How Home Assistant is told of what an event is about.

    Args:
        event: of a standing question or the journal.
        topic: that its state and the newest event are below.
        prefix: of all topics; keeps two systems apart.

    Returns:
        The component, and its configuration (Home Assistant, "MQTT Discovery").
    """
    stream, rule = topic_name(event.stream_id), topic_name(event.rule)
    config: dict[str, Any] = {
        "name": event.rule,
        "unique_id": f"{topic_name(prefix)}_{stream}_{rule}",
        "state_topic": f"{topic}/state",
        "json_attributes_topic": f"{topic}/event",
        "availability_topic": f"{prefix}/status",
        "device": {
            "identifiers": [f"{topic_name(prefix)}_{stream}"],
            "name": event.stream_id,
            "manufacturer": "hermes-ray",
        },
        "origin": {"name": "hermes-ray", "sw_version": __version__},
    }
    if event.kind is EventKind.JOURNAL:
        return "sensor", config
    return "binary_sensor", config | {"payload_on": "ON", "payload_off": "OFF"}


def topic_name(name: str) -> str:
    """A name as one level of a topic and as part of an id; names that had to be changed stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return plain if plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _state(event: Event) -> str:
    if event.kind is EventKind.JOURNAL:
        return event.answer[:_LONGEST_STATE]
    return "ON" if event.kind is EventKind.MATCH else "OFF"
