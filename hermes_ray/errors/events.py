"""Standing questions, the events that they find, and who is told."""

from hermes_ray.errors.base import HermesError
from hermes_ray.errors.cluster import ClusterError


class UnknownStandingQuestion(HermesError):
    """There is no standing question of that name."""

    code = "unknown-standing-question"


class StandingQuestionExists(HermesError):
    """There is a standing question of that name already."""

    code = "standing-question-exists"


class EventsUnavailable(ClusterError):
    """What keeps events cannot be reached now, or none are kept. Questions are answered all the same."""

    code = "events-unavailable"


class EventRefused(EventsUnavailable):
    """The database does not take the values of an event."""

    code = "event-refused"


class UnknownEvent(HermesError):
    """There is no event of that id: it never was, has expired, or was erased; or it has no such picture."""

    code = "unknown-event"


class EventsPlaceLost(HermesError):
    """A place in the events leads nowhere any more: their database was restored from an older copy."""

    code = "events-place-lost"


class DeliveryFailed(HermesError):
    """A target did not take an event.

    Attributes:
        refused: it said that it never will; else it was away, or asked for time.
        retry_after_s: how long it asked to wait, seconds; 0 if it asked for nothing.
    """

    code = "delivery-failed"

    def __init__(self, message: str, *, refused: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.refused = refused
        self.retry_after_s = retry_after_s
