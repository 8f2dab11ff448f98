"""Standing questions that were made while the system runs, beside the snapshots: one small document, written whole."""

import json

from hermes_ray.cluster.store.snapshot_store import SnapshotStore
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.errors import SnapshotError

_FOLDER = "standing-questions"
_SUFFIX = ".json"
_KEPT = 2
"""The one before too, so that whoever reads it just now finds it."""


class StandingStore:
    """Blocks. Many may read; one, the Coordinator, writes.

    Args:
        store: of the snapshots.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store

    def load(self) -> Definitions:
        """The newest definitions; none if there never were any.

        Raises:
            SnapshotError: the store cannot be read, or what it has cannot.
        """
        names = self._names()
        if not names:
            return Definitions()
        try:
            return Definitions.from_json(json.loads(self._store.read_document(_FOLDER, names[-1])))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(
                f"{_FOLDER}/{names[-1]} is damaged or of a later release ({error!r}); mend it, or remove it to "
                "lose the standing questions that were made while the system ran"
            ) from error

    def save(self, definitions: Definitions, before: int) -> None:
        """Write definitions.

        Args:
            definitions: of a version above all others.
            before: the version that they were made from.

        Raises:
            SnapshotError: the store did not take them, or has others than those of that version: somebody else wrote.
        """
        names = self._names()
        newest = int(names[-1].removesuffix(_SUFFIX)) if names else 0
        if newest != before:
            raise SnapshotError(f"standing questions were changed by another Coordinator (version {newest}); try again")
        text = json.dumps(definitions.to_json(), indent=1)
        self._store.put_document(_FOLDER, f"{definitions.version:020d}{_SUFFIX}", text.encode())
        for name in names[: 1 - _KEPT]:
            self._store.remove_document(_FOLDER, name)

    def _names(self) -> list[str]:
        found = self._store.documents(_FOLDER)
        return sorted(name for name in found if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX).isdecimal())
