"""What is refused whoever calls: foreign names of this host, and foreign web pages; and headers for browsers."""

import ipaddress
from fnmatch import fnmatchcase

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes_ray.api.problems.kinds import KINDS
from hermes_ray.api.problems.problem_json import problem_response
from hermes_ray.config import ApiSettings

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_PROBES = ("/healthz", "/readyz", "/activez")
"""Asked by address, and they tell nothing."""

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def is_local(address: str) -> bool:
    """Whether an address or a host name, as a person would configure it, is this machine's loopback."""
    try:
        parsed = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return address == "localhost"
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


class SecurityHeaders:
    """Adds headers that keep browsers from guessing, framing and storing; a route's own win."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Perimeter:
    """Checks the names by which the API is called.

    Host: a page of an attacker whose name resolves to this machine (DNS rebinding) would else read what only this
    machine may. Origin: without keys there is nothing that a foreign page lacks, so it may change nothing.

    Args:
        app: the application inside.
        api: the ``api`` section.
    """

    def __init__(self, app: ASGIApp, *, api: ApiSettings) -> None:
        access = api.access
        self._app = app
        self._keyless = access.keys_file is None
        self._origins = access.origins
        closed = self._keyless and not access.open_without_keys
        self._hosts = tuple(map(str.lower, access.hosts)) or (
            (*LOCAL_NAMES, api.host.strip("[]")) if closed else ("*",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)) is not None:
            kind, detail = refusal
            await problem_response(Request(scope), KINDS[kind], detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[str, str] | None:
        """Code and text of the problem, if there is one."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if scope["path"] not in _PROBES and not any(fnmatchcase(_name(host), known) for known in self._hosts):
            return "wrong-host", f"this API is not called {host[:200]!r}; api.access.hosts says how it may be called"
        foreign = origin and origin.partition("://")[2] != host and origin not in self._origins
        if self._keyless and foreign and scope["method"] not in _SAFE_METHODS:
            return "foreign-origin", f"pages of {origin[:200]!r} may not use this API (api.access.origins)"
        return None


def _name(host: str) -> str:
    """A Host header without its port, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
