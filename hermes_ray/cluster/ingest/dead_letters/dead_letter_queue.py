"""Dead letters on their way to the broker: a record counts as dealt with only when its dead letter is confirmed."""

from concurrent.futures import Future
from dataclasses import dataclass

from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.dead_letters import DeadLetterWriter
from hermes_ray.transport.publisher import Delivery
from hermes_ray.transport.record import Record

log = get_logger(__name__)


@dataclass(slots=True, eq=False)
class Letter:
    """A record that cannot be used.

    Attributes:
        sent: the delivery under way; ``None`` while there is none.
    """

    record: Record
    error: HermesError
    sent: Future[Delivery] | None = None


class DeadLetterQueue:
    """Letters not confirmed yet, each written again until it is. For one thread."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []

    def __len__(self) -> int:
        """Letters not confirmed."""
        return len(self._letters)

    def holds(self, record: Record) -> bool:
        """Whether a letter about the record is on its way."""
        place = (record.partition, record.offset)
        return any((letter.record.partition, letter.record.offset) == place for letter in self._letters)

    def add(self, record: Record, error: HermesError) -> None:
        """Take a record for the dead-letter topic, with the reason."""
        self._letters.append(Letter(record, error))

    def settle(self, writer: DeadLetterWriter) -> list[Letter]:
        """Write what is not written, and return the letters confirmed since the last call.

        Raises:
            TransportError: one could not be written; all stay and the next call tries again.
        """
        for letter in self._letters:
            if letter.sent is None:
                letter.sent = writer.write(letter.record, letter.error)
        confirmed = [letter for letter in self._letters if _is_confirmed(letter)]
        self._letters = [letter for letter in self._letters if letter not in confirmed]
        return confirmed


def _is_confirmed(letter: Letter) -> bool:
    if letter.sent is None or not letter.sent.done():
        return False
    failure = letter.sent.exception()
    if failure is not None:
        log.warning("dead letter not confirmed, writing it again", error=str(failure))
        letter.sent = None
    return failure is None
