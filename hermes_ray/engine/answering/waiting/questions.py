"""Questions without a seat: those that somebody waits for, and those of the background."""

from collections import deque
from collections.abc import Callable

from hermes_ray.engine.answering.waiting.question_job import QuestionJob
from hermes_ray.errors import QuestionTimeout

_PATIENCE_S = 1.0
"""How long the background lets people's answers and frames alone. Frames of its own streams wait for it, so without an
end people who never stop asking, and frames that never stop coming, would stop these."""
OVERDUE_S = 5.0
"""After so long a background question gets a seat, one at a time, also where more people wait than there are seats."""


class WaitingQuestions:
    """Two lanes. Belongs to the engine's thread.

    Args:
        has_reached: whether a stream has a frame of a capture time or later; ``None`` is any.
    """

    def __init__(self, has_reached: Callable[[str, int | None], bool]) -> None:
        self._has_reached = has_reached
        self._people: deque[QuestionJob] = deque()
        self._background: deque[QuestionJob] = deque()

    @property
    def people(self) -> int:
        """Questions that somebody waits for."""
        return len(self._people)

    @property
    def next_deadline_s(self) -> float | None:
        """``perf_counter`` at which the first question that waits for a frame gives up."""
        return min((job.deadline_s for job in self._people if job.deadline_s is not None), default=None)

    @property
    def ready(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._background) or any(job.cancelled.is_set() or self._is_due(job) for job in self._people)

    def submit(self, job: QuestionJob) -> None:
        """Queue a question."""
        (self._background if job.background else self._people).append(job)

    def put_back(self, job: QuestionJob) -> None:
        """A background question had to give its seat back; it begins again, before the others."""
        self._background.appendleft(job)

    def due(self) -> list[QuestionJob]:
        """People's questions that can be seated, in the order in which they came."""
        return [job for job in self._people if self._is_due(job)]

    def overdue(self, now_s: float) -> QuestionJob | None:
        """The background question that cannot wait any longer, ``perf_counter``; ``None`` if there is none."""
        first = self.behind
        return first if first is not None and is_overdue(first, now_s) else None

    @property
    def behind(self) -> QuestionJob | None:
        """The background question that is next; ``None`` if there is none."""
        return self._background[0] if self._background else None

    def remove(self, job: QuestionJob) -> None:
        """A question waits no more."""
        (self._background if job.background else self._people).remove(job)

    def take(self, leaves: Callable[[QuestionJob], bool]) -> list[QuestionJob]:
        """Take out those that leave."""
        taken = [job for job in (*self._people, *self._background) if leaves(job)]
        self._people = deque(job for job in self._people if job not in taken)
        self._background = deque(job for job in self._background if job not in taken)
        return taken

    def time_out(self, now_s: float) -> None:
        """Refuse those whose frame has not come in time, ``perf_counter``."""
        for job in self.take(lambda job: job.deadline_s is not None and job.deadline_s <= now_s):
            job.tell(
                QuestionTimeout(
                    f"as_of: no frame taken at {job.question.as_of_ms} ms or later arrived "
                    f"within {job.question.timeout_s} s"
                ),
            )

    def _is_due(self, job: QuestionJob) -> bool:
        return self._has_reached(job.stream_id, job.question.as_of_ms)


def can_wait(job: QuestionJob, now_s: float) -> bool:
    """Whether a background question still lets everything else go first, ``perf_counter``."""
    return now_s - job.received_s < _PATIENCE_S


def is_overdue(job: QuestionJob, now_s: float) -> bool:
    """Whether a background question cannot wait any longer, ``perf_counter``."""
    return now_s - job.received_s >= OVERDUE_S
