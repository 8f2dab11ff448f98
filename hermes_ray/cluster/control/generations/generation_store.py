"""Generations in the snapshot store: who owns the streams kept there. Three small files for each.

``NUMBER.claim`` is created unless it is there, so a generation has one owner, and is never changed. ``NUMBER.beat`` is
written again and again by that owner. ``NUMBER.released`` says that the owner has let go.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hermes_ray.cluster.store.store_files import StoreFiles, translated
from hermes_ray.observability.logs import get_logger

log = get_logger(__name__)

_DIRECTORY = "generations"
_CLAIM, _BEAT, _RELEASED = "claim", "beat", "released"
_DIGITS = 10
_KEPT = 16
"""Former generations that stay on record: a cluster of any of them, should it come back, learns that it is over."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life of a generation's owner.

    Attributes:
        count: another one with every beat. Times of different machines are compared nowhere.
        stale_after_s: without another beat for so long, the owner is dead or cut off and promises nothing any more.
        holds: it owns the streams, and no longer waits for a former owner.
        serves: it has the memories, so nobody else needs to answer.
    """

    count: int
    stale_after_s: float
    holds: bool = False
    serves: bool = False


_BEAT_FIELDS = tuple(known.name for known in fields(Beat))


@dataclass(frozen=True, slots=True)
class Ledger:
    """All generations at one moment.

    Attributes:
        claims: by number, the cluster that owns it; empty where that was lost.
        released: numbers of those that were let go.
    """

    claims: Mapping[int, str] = field(default_factory=dict)
    released: frozenset[int] = frozenset()

    @property
    def newest(self) -> int:
        """The newest generation's number; 0 before the first."""
        return max(self.claims, default=0)

    def of(self, cluster: str) -> int | None:
        """The generation that a cluster owns; ``None`` if it has none."""
        return max((number for number, owner in self.claims.items() if owner == cluster), default=None)

    def unreleased(self, below: int) -> list[int]:
        """Generations before that one that were not let go."""
        return sorted(number for number in self.claims if number < below and number not in self.released)


class GenerationStore:
    """Blocks. For one thread at a time.

    Args:
        url: of the snapshot store.

    Raises:
        ConfigError: no driver reads such a URL.
    """

    def __init__(self, url: str) -> None:
        self._files = StoreFiles(url)
        self._directory = f"{self._files.root}/{_DIRECTORY}"
        self._owners: dict[int, str] = {}

    def look(self) -> Ledger:
        """Who owns what. One listing, once all claims are known.

        Raises:
            SnapshotError: the store cannot be read.
        """
        found = [_parse(name) for name in self._files.names(self._directory)]
        claims = {number: self._owner(number) for number, kind in found if kind == _CLAIM}
        return Ledger(claims, frozenset(number for number, kind in found if kind == _RELEASED))

    def claim(self, number: int, cluster: str) -> bool:
        """Become the owner of a generation that has none; returns whether this call did it.

        Raises:
            SnapshotError: the store did not say; look again.
        """
        with translated(f"claiming generation {number}"):
            return self._files.create(self._directory, _name(number, _CLAIM), json.dumps({"cluster": cluster}).encode())

    def beat(self, number: int, beat: Beat) -> None:
        """The owner of a generation lives.

        Raises:
            SnapshotError: the store did not take it.
        """
        with translated(f"writing that generation {number} lives"):
            self._files.write(self._directory, _name(number, _BEAT), json.dumps(asdict(beat)).encode())

    def last_beat(self, number: int) -> Beat | None:
        """The last sign of life of a generation's owner; ``None`` before the first.

        Raises:
            SnapshotError: the store cannot be read.
        """
        told = self._read(number, _BEAT)
        known = {name: told[name] for name in _BEAT_FIELDS if name in told}  # another release may tell more
        return Beat(**known) if {"count", "stale_after_s"} <= known.keys() else None

    def release(self, number: int) -> None:
        """The owner of a generation has let go.

        Raises:
            SnapshotError: the store did not take it.
        """
        with translated(f"letting go of generation {number}"):
            self._files.write(self._directory, _name(number, _RELEASED), b"{}")

    def tidy(self, number: int) -> None:
        """Remove what is left of generations long before that one.

        Raises:
            SnapshotError: not all could be removed.
        """
        with translated("removing former generations"):
            for name in self._files.names(self._directory):
                if 0 < _parse(name)[0] <= number - _KEPT:
                    with suppress(FileNotFoundError):
                        self._files.driver.rm_file(f"{self._directory}/{name}")

    def _owner(self, number: int) -> str:
        if not self._owners.get(number):
            told = self._read(number, _CLAIM)
            self._owners[number] = str(told.get("cluster", ""))
        return self._owners[number]

    def _read(self, number: int, kind: str) -> dict[str, Any]:
        with translated(f"reading generation {number}"):
            try:
                data = self._files.driver.cat_file(f"{self._directory}/{_name(number, kind)}")
            except FileNotFoundError:
                return {}
        try:
            told = json.loads(data)
        except ValueError:  # its writer was killed just then
            log.warning("nothing can be read of a generation", number=number, what=kind)
            return {}
        return told if isinstance(told, dict) else {}


def _name(number: int, kind: str) -> str:
    return f"{number:0{_DIGITS}d}.{kind}"


def _parse(name: str) -> tuple[int, str]:
    """Number and kind of a file; 0 for a file that is none of ours."""
    number, _, kind = name.partition(".")
    return (int(number), kind) if number.isdecimal() and kind in (_CLAIM, _BEAT, _RELEASED) else (0, "")
