"""Delivers events as signed POST requests: Standard Webhooks 1.0.0 (standardwebhooks.com)."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from hermes_ray import __version__
from hermes_ray.config import WebhookSettings
from hermes_ray.errors import DeliveryFailed
from hermes_ray.events.describing import described
from hermes_ray.events.kept import KeptEvent

_PREFIX = "whsec_"
_TRY_AGAIN = (408, 425, 429)
"""Statuses below 500 that pass by themselves (RFC 9110, RFC 8470, RFC 6585)."""


class Webhook:
    """One address. It gets nothing but what the settings name: no redirect is followed.

    Args:
        settings: where, and the secret.
        now_s: seconds since the Unix epoch.
    """

    takes_old_events = True

    def __init__(self, settings: WebhookSettings, now_s: Callable[[], float] = time.time) -> None:
        self.give_up_after_s = settings.give_up_after_s
        self._settings = settings
        self._now_s = now_s
        # Proxies and credentials of the environment are for people's own requests.
        self._http = httpx.AsyncClient(timeout=settings.timeout_s, follow_redirects=False, trust_env=False)

    async def keep(self) -> None:
        """Nothing: each delivery is a request of its own."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def deliver(self, kept: KeptEvent) -> None:
        """Send an event, under its id as ``webhook-id``.

        Raises:
            DeliveryFailed: it was not taken with a status of 200 to 299 in time.
        """
        body = json.dumps(payload(kept), separators=(",", ":")).encode()
        signed = signature_headers(_secret(self._settings.secret_file), kept.event.id, round(self._now_s()), body)
        headers = {"Content-Type": "application/json", "User-Agent": f"hermes-ray/{__version__}", **signed}
        try:
            # Without the answer's body: it may be of any length. In time as a whole: httpx counts anew with each byte.
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._http.stream("POST", self._settings.url, content=body, headers=headers) as response,
            ):
                status, asked = response.status_code, response.headers.get("retry-after", "")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise DeliveryFailed(f"{self._settings.url}: {str(error) or type(error).__name__}") from error
        if not 200 <= status < 300:
            refused = status < 500 and status not in _TRY_AGAIN
            retry_after_s = float(asked) if asked.isascii() and asked.isdigit() else 0.0
            raise DeliveryFailed(f"{self._settings.url}: status {status}", refused=refused, retry_after_s=retry_after_s)


def payload(kept: KeptEvent) -> Mapping[str, object]:
    """The body: type, time and the event (Standard Webhooks, "Payload structure")."""
    event = described(kept)
    return {"type": f"event.{event['kind']}", "timestamp": event["captured"], "data": event}


def signature_headers(secret: bytes, event_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers that say who sent a body (Standard Webhooks, "Signature scheme": HMAC-SHA256, version v1)."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }


def _secret(file: Path) -> bytes:
    try:
        secret = base64.b64decode(file.read_text(encoding="ascii").strip().removeprefix(_PREFIX), validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise DeliveryFailed(f"secret_file {file} holds no secret ({_PREFIX} and base64): {error}") from error
    if not secret:
        raise DeliveryFailed(f"secret_file {file} is empty")
    return secret
