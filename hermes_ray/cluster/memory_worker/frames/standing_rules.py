"""The standing questions that a memory worker knows: those of its settings, and those made while the system runs."""

from collections.abc import Sequence
from threading import Lock

from hermes_ray.cluster.store.standing_store import StandingStore
from hermes_ray.cluster.wire.standing import Definitions
from hermes_ray.config import StandingSettings
from hermes_ray.observability.logs import get_logger
from hermes_ray.standing.rule import Rule

log = get_logger(__name__)


class StandingRules:
    """Which rules watch which stream. Safe to use from any thread.

    Args:
        settings: with the standing questions of the settings, and the journal.
        store: has those made while the system runs; ``None``: nothing is kept, so there were none before this process.
    """

    def __init__(self, settings: StandingSettings, store: StandingStore | None) -> None:
        self._settings = settings
        self._store = store
        self._definitions = Definitions()
        self._learning = Lock()  # the store is read in one thread while another is told
        self._loaded = store is None
        self._rules = self._all()

    @property
    def version(self) -> int:
        """Of the definitions that are known."""
        return self._definitions.version

    def load(self) -> None:
        """Learn what the store has, unless something is known already. Blocks.

        Before any stream goes on: the frames that it is replayed from must be asked what they were asked before.

        Raises:
            SnapshotError: the store cannot be read; nothing is known, try again.
        """
        if not self._loaded and self._store is not None:
            self.learn(self._store.load())

    def learn(self, definitions: Definitions) -> None:
        """There are other definitions; older ones than are known change nothing."""
        with self._learning:
            self._loaded = True
            if definitions.version > self._definitions.version:
                self._definitions = definitions
                self._rules = self._all()
                log.info("standing questions have changed", version=definitions.version, rules=len(self._rules))

    def of(self, stream_id: str) -> Sequence[Rule]:
        """The rules that watch a stream."""
        return [rule for rule in self._rules if rule.watches(stream_id)]

    def _all(self) -> Sequence[Rule]:
        questions = (Rule(standing.question) for standing in self._definitions.merged(self._settings.questions))
        return (*questions, Rule(self._settings.journal))
