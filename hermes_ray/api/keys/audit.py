"""The audit log: who asked what of which stream, and what came of it. One structured line each."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.config import AccessSettings
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger("hermes.audit")  # a name for filters, wherever this module goes

ANSWERED, DONE, CANCELLED, FAILED = "answered", "done", "cancelled", "internal"
"""Outcomes beside the codes of errors."""


@dataclass(slots=True)
class Entry:
    """One action in progress.

    Attributes:
        outcome: what came of it; an error that ends the action says so itself.
    """

    outcome: str = CANCELLED


class Audit:
    """Writes the lines.

    Args:
        access: whether, and with the questions' text or without.
    """

    def __init__(self, access: AccessSettings) -> None:
        self._on = access.audit != "off"
        self._with_text = access.audit == "questions"

    @contextmanager
    def recorded(
        self,
        caller: Caller,
        action: str,
        stream_id: str | None,
        request_id: str,
        text: str | None = None,
        worker: str | None = None,
    ) -> Iterator[Entry]:
        """Write one line when the block ends, however it ends.

        Args:
            caller: who wants it.
            action: such as ``ask``.
            stream_id: of which stream; ``None`` for what is about a worker.
            request_id: of the request, to find it in other logs.
            text: the question, which is written only if the settings say so.
            worker: of which worker.
        """
        entry = Entry()
        began_s = time.monotonic()
        try:
            yield entry
        except HermesError as error:
            entry.outcome = error.code
            raise
        except Exception:
            entry.outcome = FAILED
            raise
        finally:
            self._write(
                action,
                caller,
                **({"stream_id": stream_id} if worker is None else {"worker": worker}),
                outcome=entry.outcome,
                duration_ms=round(1000 * (time.monotonic() - began_s)),
                request_id=request_id,
                **({"question": text} if text is not None and self._with_text else {}),
            )

    def refused(self, caller: Caller, method: str, path: str, peer: str, request_id: str, error: HermesError) -> None:
        """Write a line about a request that was not let in."""
        self._write("refused", caller, method=method, path=path, peer=peer, outcome=error.code, request_id=request_id)

    def _write(self, action: str, caller: Caller, **fields: object) -> None:
        if self._on:
            log.info("audit", action=action, key=caller.id or None, key_name=caller.name or None, **fields)
