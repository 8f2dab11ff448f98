"""What a request came through the gate with, for responses that go on for long."""

from collections.abc import Callable
from dataclasses import dataclass

from hermes_ray.api.keys.scopes import Caller


@dataclass(frozen=True, slots=True)
class Passage:
    """How a request came in; in ``request.state.passage``.

    Attributes:
        caller: who sent it.
        peer: from which address; empty where there is none (a Unix socket).
        check: raises ``Unauthorized`` or ``Forbidden`` once the key is not what it was: revoked, expired, or with other
            rights.
    """

    caller: Caller
    peer: str
    check: Callable[[], None]
