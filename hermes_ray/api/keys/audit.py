"""The audit log: who asked what of which stream, and what came of it. One structured line each.

People look at many pictures, and their browsers at more; of those there is a line for each minute.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hermes_ray.api.keys.scopes import Caller
from hermes_ray.config import AccessSettings
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger

log = get_logger("hermes.audit")  # a name for filters, wherever this module goes

ANSWERED, DONE, CANCELLED, FAILED = "answered", "done", "cancelled", "internal"
"""Outcomes beside the codes of errors."""
_LOOKS_S = 60


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
        now_s: a clock that only grows, seconds.
    """

    def __init__(self, access: AccessSettings, now_s: Callable[[], float] = time.monotonic) -> None:
        self._on = access.audit != "off"
        self._with_text = access.audit == "questions"
        self._now_s = now_s
        self._minute = -1
        self._looks: set[tuple[str, ...]] = set()

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

    @contextmanager
    def looked(self, caller: Caller, action: str, stream_id: str, request_id: str) -> Iterator[None]:
        """Write one line for all looks of a caller at a stream in the same minute that end alike: the first one's.

        Args:
            caller: who looks.
            action: such as ``look``.
            stream_id: at which stream's pictures.
            request_id: of the request.
        """
        outcome = CANCELLED
        try:
            yield
            outcome = DONE
        except HermesError as error:
            outcome = error.code
            raise
        except Exception:
            outcome = FAILED
            raise
        finally:
            if self._on and self._is_first(caller.id, action, stream_id, outcome):
                self._write(action, caller, stream_id=stream_id, outcome=outcome, request_id=request_id)

    def refused(self, caller: Caller, method: str, path: str, peer: str, request_id: str, error: HermesError) -> None:
        """Write a line about a request that was not let in."""
        self._write("refused", caller, method=method, path=path, peer=peer, outcome=error.code, request_id=request_id)

    def _is_first(self, *look: str) -> bool:
        minute = int(self._now_s() // _LOOKS_S)
        if minute != self._minute:
            self._minute = minute
            self._looks.clear()
        if look in self._looks:
            return False
        self._looks.add(look)
        return True

    def _write(self, action: str, caller: Caller, **fields: object) -> None:
        if self._on:
            log.info("audit", action=action, key=caller.id or None, key_name=caller.name or None, **fields)
