"""What a key may do, and which of it a request needs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Scope(StrEnum):
    """A right that a key has or has not."""

    ASK = "ask"
    """Ask streams."""
    READ = "read"
    """See which streams there are and their state."""
    MANAGE = "manage"
    """Change or forget what the system holds; take memories out of it or bring them in."""
    PUBLISH = "publish"
    """Bring frames into the system."""
    METRICS = "metrics"
    """Read the metrics of the whole system, of every stream; see its workers."""
    OPERATE = "operate"
    """Drain workers, whatever streams they hold."""


_STREAM = "/v1/streams/[^/]+"
_DRAIN = "/v1/workers/[^/]+/drain"
_PUBLIC = re.compile(r"/|/healthz|/readyz|/activez|/openapi\.json|/docs(/.*)?|/console/.*|/problems/[^/]*")
_RULES: Sequence[tuple[str, str, Scope]] = (
    ("GET", "/metrics", Scope.METRICS),
    ("POST", f"{_STREAM}/query|/v1/query|/v1/chat/completions|/v1/responses", Scope.ASK),
    ("POST", "/mcp", Scope.READ),  # its tools call the other routes with the caller's key
    ("POST", f"{_STREAM}/frames", Scope.PUBLISH),
    ("GET", f"{_STREAM}/export", Scope.MANAGE),
    ("GET", "/v1/deliveries/failed", Scope.MANAGE),  # names where events go
    ("GET", "/v1/workers", Scope.METRICS),
    ("POST", _DRAIN, Scope.OPERATE),
    ("DELETE", _DRAIN, Scope.OPERATE),
    ("GET", f"{_STREAM}/examples", Scope.ASK),
)


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope that a request needs; ``None`` where no key is needed.

    A public path can only be looked at; any other method is 405 there, for everybody. A path that no rule names needs
    ``read`` to be looked at and ``manage`` for anything else, so a new route is closed until somebody opens it here.

    Args:
        method: HTTP method, upper case.
        path: decoded path below the API's root.
    """
    # The router's patterns end in "$", for which a line feed at the end of the path does not count.
    path = path.removesuffix("\n")
    method = "GET" if method == "HEAD" else method
    if _PUBLIC.fullmatch(path):
        return None
    for rule_method, pattern, scope in _RULES:
        if method == rule_method and re.fullmatch(pattern, path):
            return scope
    return Scope.READ if method == "GET" else Scope.MANAGE


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        id: of the key; empty for callers without one.
        name: the key's name, for people.
        scopes: what the caller may do.
        streams: glob patterns of the streams that exist for this caller.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    streams: tuple[str, ...]

    def sees(self, stream_id: str) -> bool:
        """Whether the stream exists for this caller."""
        return any(fnmatchcase(stream_id, pattern) for pattern in self.streams)

    def sees_all(self, pattern: str) -> bool:
        """Whether every stream that a glob matches exists for this caller; ``False`` where that is hard to tell.

        Of globs that know ``*`` alone, one covers another if it matches the other's text: what is literal in it then
        meets what is literal there. ``?`` in the other counts as a character that only ``*`` covers.
        """
        return any(
            own in ("*", pattern) or ("[" not in own + pattern and "?" not in own and fnmatchcase(pattern, own))
            for own in self.streams
        )

    def may_name(self, name: str) -> bool:
        """Whether the caller may give something a name that must be the only one of all callers.

        Whoever sees all streams may give any. Others begin it with the name of one of their streams and a dot, as
        ``gate.truck``: so that a name is taken says nothing of what others have. Names have lower-case letters alone.
        """
        if self.sees_all("*"):
            return True
        begins = (name[:at] for at, letter in enumerate(name) if letter == ".")
        return any(fnmatchcase(begin, pattern.lower()) for begin in begins for pattern in self.streams)

    def __str__(self) -> str:
        return f"key {self.name!r} ({self.id})" if self.id else "a caller without a key"


ANYBODY = Caller("", "", frozenset(Scope), ("*",))
"""A caller of an API without keys."""
NOBODY = Caller("", "", frozenset(), ())
"""A caller without a key, where keys are needed."""
