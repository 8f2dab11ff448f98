"""Which cameras of a file one of several processes publishes: each camera in exactly one, without asking the others."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from hermes_ray.errors import ConfigError

_WRITTEN = re.compile(r"(\d{1,4})/(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the processes that share a file.

    Rendezvous hashing (Thaler and Ravishankar, 1998, "Using name-based mappings to increase hit rates"): every process
    weighs each camera for all shards, and the heaviest has it. So one shard more takes its cameras from the others and
    moves none between them, and one less gives only its own away.

    The weight is the SHA-256 of ``SHARD:STREAM_ID``, shards from 0, as a big-endian number. It must stay what it is:
    while a new release comes, processes of both share a file.

    Attributes:
        index: which of them, from 0.
        count: how many there are.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Understand ``I/N``, such as ``0/3``: the first of three.

        Raises:
            ConfigError: it is written otherwise, or there is no such shard.
        """
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            raise ConfigError(f"--shard {text!r}: write I/N, such as 0/3 for the first of three processes")
        index, count = int(written[1]), int(written[2])
        if index >= count:
            last = f"0/{count} to {count - 1}/{count}" if count else "0/1"
            raise ConfigError(f"--shard {text}: there is no such shard; they are counted from 0, so write {last}")
        return cls(index, count)

    def __str__(self) -> str:
        """As :meth:`parse` reads it."""
        return f"{self.index}/{self.count}"

    def holds(self, stream_id: str) -> bool:
        """Whether the camera is this shard's."""
        return max(range(self.count), key=lambda shard: _weight(shard, stream_id)) == self.index


WHOLE_FILE = Shard()
"""The share of a process that is alone."""


def _weight(shard: int, stream_id: str) -> bytes:
    return sha256(f"{shard}:{stream_id}".encode()).digest()
