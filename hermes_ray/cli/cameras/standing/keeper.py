"""Keeps the system's standing questions as the file has them, beside the cameras and without holding them up."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hermes_ray.cli.cameras.file import CamerasFile
from hermes_ray.cli.cameras.sharding import WHOLE_FILE, Shard
from hermes_ray.cli.cameras.standing.places import Place, PlaceOf, chosen_place
from hermes_ray.cli.cameras.standing.reconcile import Wanted, bring_about
from hermes_ray.config import StandingQuestion
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger
from hermes_ray.video.sources.cameras.backoff import Backoff

log = get_logger("hermes_ray.cameras")

_AGAIN_S = 60.0
"""How long a system is trusted to keep what it was told."""
_STOP_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class StandingStatus:
    """How the questions of the cameras that are published here are.

    Attributes:
        wanted: how many the file has.
        missing: how many of them the system is not known to ask as the file says.
        problem: why; ``None`` if none is missing, or the first try is not over.
    """

    wanted: int = 0
    missing: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    place: Place
    wanted: Wanted


class StandingKeeper:
    """A thread that talks to the system: when the file has changed, every minute, and after a failure.

    Args:
        owner: who keeps the questions, see :func:`~hermes_ray.cli.cameras.standing.naming.owner_of`.
        place_of: where they are made.
        shard: which of the file's cameras are this process's.
        backoff: waits after a failure.
        again_s: how often to look whether all is still there, seconds.
    """

    def __init__(
        self,
        owner: str,
        place_of: PlaceOf,
        shard: Shard = WHOLE_FILE,
        backoff: Backoff | None = None,
        again_s: float = _AGAIN_S,
    ) -> None:
        self._place_of = place_of
        self._shard = shard
        self._backoff = backoff or Backoff(1.0, _AGAIN_S)
        self._again_s = again_s
        self._changed = threading.Condition()
        self._followed = 0
        self._task: _Task | None = None
        self._wanted = Wanted(owner)
        self._in_place: Mapping[str, StandingQuestion] = {}
        self._problem: str | None = None
        self._told: tuple[int, str | None] = (0, None)
        self._stopped = False
        self._thread: threading.Thread | None = None

    def follow(self, file: CamerasFile) -> None:
        """Make the system ask what this file says, from now on. Returns at once.

        Raises:
            ConfigError: nothing says which system; all is as before.
        """
        place = chosen_place(file, self._place_of)
        with self._changed:
            self._wanted = Wanted.of(file, self._shard, self._wanted)
            if self._task is not None:
                # With its last question the file may have lost the address, and that one still goes.
                place = place or self._task.place
                if place != self._task.place:
                    self._in_place = {}
            self._task = None if place is None else _Task(place, self._wanted)
            self._followed += 1
            self._backoff.reset()
            self._changed.notify()
            if self._task is not None and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="standing questions", daemon=True)
                self._thread.start()

    def status(self) -> StandingStatus:
        """How they are now."""
        with self._changed:
            questions = self._wanted.questions
            missing = sum(self._in_place.get(name) != question for name, question in questions.items())
            return StandingStatus(len(questions), missing, self._problem if missing else None)

    def close(self) -> None:
        """End; the questions stay. What is under way is waited for a few seconds."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_STOP_LIMIT_S)

    def _run(self) -> None:
        seen = 0
        wait_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._followed != seen, wait_s)  # noqa: B023 - runs now
                if self._stopped:
                    return
                seen, task = self._followed, self._task
            wait_s = self._again_s if task is None or self._bring_about(task) else self._backoff.next_delay_s()

    def _bring_about(self, task: _Task) -> bool:
        """Whether all is as wanted."""
        problems: Mapping[str, str] | None = None
        try:
            with task.place.open() as api:
                problems = bring_about(api, task.wanted)
            said = _said(problems)
        except HermesError as error:
            said = f"{task.place.shown}: {error}"
        except Exception:  # cameras are published all the same, and a system that is mended is told again
            log.exception("keeping standing questions failed, and is tried again", system=task.place.shown)
            said = "it failed unexpectedly; see the log"
        self._tell(task, problems, said)
        if said is None:
            self._backoff.reset()
        return said is None

    def _tell(self, task: _Task, problems: Mapping[str, str] | None, said: str | None) -> None:
        asked = task.wanted.questions
        with self._changed:
            if problems is not None and self._task is not None and self._task.place == task.place:
                self._in_place = {name: question for name, question in asked.items() if name not in problems}
                if self._task is task:
                    self._wanted = task.wanted.without_left()
                    self._task = replace(task, wanted=self._wanted)
            self._problem = said
        if self._told == (len(asked), said):
            return
        self._told = len(asked), said
        if said is None:
            log.info("standing questions are asked as the file says", questions=len(asked))
        else:
            write = log.warning if asked else log.info
            write("standing questions are not asked as the file says; trying again", questions=len(asked), reason=said)


def _said(problems: Mapping[str, str]) -> str | None:
    """The first of them, and how many more there are."""
    if not problems:
        return None
    name, reason = next(iter(problems.items()))
    more = len(problems) - 1
    return f"{name}: {reason}" + (f" (and {more} more)" if more else "")
