"""Names of a stream's snapshots in the store: who wrote which when, and where an erasure divides them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

_SUFFIX = ".snapshot"
_ERASED = ".erased"


@dataclass(frozen=True, slots=True, order=True)
class SnapshotName:
    """Names one snapshot of a stream; the newest is the largest.

    Attributes:
        epoch: of the owner that wrote it, so that what a former owner writes late is never the newest.
        sequence: grows with every snapshot of that owner.
        erased: it is no snapshot, and says that the stream was erased: what is older counts for nothing.
    """

    epoch: int
    sequence: int
    erased: bool = False

    def __str__(self) -> str:
        return f"{self.epoch:020d}-{self.sequence:010d}{_ERASED if self.erased else _SUFFIX}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The name of a file; ``None`` for a file that is no finished snapshot."""
        stem, _, kind = name.rpartition(".")
        epoch, _, sequence = stem.partition("-")
        if f".{kind}" not in (_SUFFIX, _ERASED) or not (epoch.isdecimal() and sequence.isdecimal()):
            return None
        return cls(int(epoch), int(sequence), erased=f".{kind}" == _ERASED)


def that_count(names: Sequence[SnapshotName]) -> list[SnapshotName]:
    """Of all names, newest first, those that are not older than the newest erasure."""
    erasure = next((at for at, name in enumerate(names) if name.erased), len(names))
    return list(names[: erasure + 1])
