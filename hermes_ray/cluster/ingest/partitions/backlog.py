"""How many records wait in each partition, and since when."""

from collections.abc import Iterable, Mapping

from hermes_ray.transport.record import Record


class Backlog:
    """What is known of the records that nobody has read yet, from those that were read. For one thread.

    How old an unread record is cannot be seen. But it was published after the newest one read, and after the last
    moment at which there was none: so records wait at most since the later of the two.
    """

    def __init__(self) -> None:
        self._records: Mapping[int, int] = {}
        self._read_until_ms: dict[int, int] = {}
        self._caught_up_ms: dict[int, int] = {}

    @property
    def records(self) -> Mapping[int, int]:
        """Records that wait, by partition."""
        return self._records

    def read(self, record: Record) -> None:
        """A record was read."""
        if record.timestamp_ms >= 0:
            self._read_until_ms[record.partition] = record.timestamp_ms

    def rewound(self, partition: int) -> None:
        """A partition is read again: what was caught up with waits anew."""
        self._caught_up_ms.pop(partition, None)

    def update(self, records: Mapping[int, int], now_ms: int) -> None:
        """The numbers of records that wait now; partitions that are missing are not read any more."""
        self._records = records
        self._read_until_ms = {p: at for p, at in self._read_until_ms.items() if p in records}
        self._caught_up_ms = {p: at for p, at in self._caught_up_ms.items() if records.get(p)}
        self._caught_up_ms |= {partition: now_ms for partition, count in records.items() if not count}

    def since_ms(self, partitions: Iterable[int]) -> int | None:
        """Since when records may be waiting in these partitions, ms since epoch; ``None`` if none wait."""
        return min((since for p in partitions if (since := self._since_ms(p)) is not None), default=None)

    def waiting_s(self, now_ms: float) -> Mapping[int, float]:
        """For how long records may have waited, by partition, seconds: 0 if none wait; no entry where it is unknown.

        Any thread may ask.
        """
        waiting: dict[int, float] = {}
        for partition, count in self._records.items():
            since_ms = self._since_ms(partition)
            if not count or since_ms is not None:
                waiting[partition] = 0.0 if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)
        return waiting

    def _since_ms(self, partition: int) -> int | None:
        known = [at for at in (self._read_until_ms.get(partition), self._caught_up_ms.get(partition)) if at is not None]
        return max(known) if self._records.get(partition) and known else None
