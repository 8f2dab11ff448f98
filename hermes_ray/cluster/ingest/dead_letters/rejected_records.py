"""Records that cannot be used: each gets one dead letter, also when it is read again, and is done once that is safe."""

from collections.abc import Iterable

from hermes_ray.cluster.ingest.counts import StreamCounts
from hermes_ray.cluster.ingest.dead_letters.dead_letter_queue import DeadLetterQueue
from hermes_ray.cluster.ingest.meters import IngestMeters
from hermes_ray.cluster.ingest.partitions.partition_reader import PartitionReader
from hermes_ray.errors import HermesError
from hermes_ray.observability.logs import get_logger
from hermes_ray.transport.dead_letters import DeadLetterWriter
from hermes_ray.transport.record import Record

log = get_logger(__name__)


class RejectedRecords:
    """For one thread.

    Args:
        reader: which is told when a record is begun and done with.
        counts: of each stream.
        meters: counts of the worker.
    """

    def __init__(self, reader: PartitionReader, counts: StreamCounts, meters: IngestMeters) -> None:
        self._reader = reader
        self._stream_counts = counts
        self._meters = meters
        self._letters = DeadLetterQueue()
        # Rejected by this process, and perhaps to be read again.
        self._known: set[tuple[int, int]] = set()

    @property
    def unconfirmed(self) -> int:
        """Dead letters that the broker has not confirmed; each holds its record."""
        return len(self._letters)

    def reject(self, record: Record, error: HermesError) -> None:
        """A record just read is unusable."""
        self._reader.begin(record, None)
        place = (record.partition, record.offset)
        if place in self._known:  # read again
            if not self._letters.holds(record):
                self._reader.done(record)
            return
        log.warning("unusable record", partition=place[0], offset=place[1], reason=error.code, error=str(error))
        self._known.add(place)
        self._letters.add(record, error)
        self._stream_counts.unusable(record)
        self._meters.dead_letters(error.code)

    def refuse(self, stream_id: str, records: Iterable[Record], error: HermesError) -> None:
        """A stream's owner refused, for good, frames of records that were begun; a record may come several times."""
        once = {(record.partition, record.offset): record for record in records}
        log.warning("frames refused", stream_id=stream_id, records=len(once), reason=error.code, error=str(error))
        for record in once.values():
            self._letters.add(record, error)
        self._stream_counts.refused(stream_id, len(once))
        self._meters.dead_letters(error.code, len(once))

    def settle(self, writer: DeadLetterWriter) -> None:
        """Write what is not written yet; records whose dead letter is confirmed are done.

        Raises:
            TransportError: one could not be written; the next call tries again.
        """
        for letter in self._letters.settle(writer):
            self._reader.done(letter.record)

    def tidy(self) -> None:
        """Forget records that are not read again."""
        self._known = {place for place in self._known if self._reader.needs(*place)}

    def forget(self) -> None:
        """The topic was created anew: its offsets mean other records."""
        self._known.clear()
