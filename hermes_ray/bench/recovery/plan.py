"""How often what is killed, and the system it happens to."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """What happens to the system."""

    MEMORY = "memory-worker"
    """kill -9 of a memory worker, of the two in turn. The other one takes its streams over."""
    MEMORY_WAITS = "memory-worker-waits"
    """The same, in a system of its own whose streams wait for the next process, as if no other worker had room."""
    INGEST = "ingest-worker"
    """kill -9 of the ingest worker."""
    COORDINATOR = "coordinator"
    """kill -9 of the Coordinator."""
    MOVE = "move"
    """A memory worker is drained: its streams are handed over to the other one."""

    @property
    def is_kill(self) -> bool:
        """Whether a process dies."""
        return self is not Kind.MOVE


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one run.

    Attributes:
        model: what watches the streams: a directory, hub name or bundled name.
        faults: of each kind.
        kinds: what happens, in turns.
        streams: over both memory workers.
        fps: frames per second that each camera publishes and the memory sees.
        budget_tokens: the most tokens of each stream in a layer.
        snapshot_interval_s: as in the settings; by default theirs.
        before_s: quiet time before each fault that it is compared with.
        question_every_s: between two questions to one stream.
        seed: of the moments of the faults within the snapshots' interval.
    """

    model: str = "hermes-tiny"
    faults: int = 20
    kinds: tuple[Kind, ...] = tuple(Kind)
    streams: int = 6
    fps: float = 2.0
    budget_tokens: int = 720
    snapshot_interval_s: float = 15.0
    before_s: float = 4.0
    question_every_s: float = 1.0
    seed: int = 0

    def systems(self) -> list[Self]:
        """The parts of the plan that have a system of their own, one after the other."""
        parts = (tuple(kind for kind in self.kinds if (kind is Kind.MEMORY_WAITS) is waits) for waits in (False, True))
        return [replace(self, kinds=kinds) for kinds in parts if kinds]

    def rounds(self) -> Iterator[tuple[Kind, int]]:
        """Every fault in order, with its number within its kind; kinds take turns, so that all meet the same load."""
        return ((kind, number) for number in range(self.faults) for kind in self.kinds)

    def stream_ids(self) -> tuple[str, ...]:
        """The streams' names."""
        return tuple(f"camera-{number}" for number in range(self.streams))

    def settings(self, bootstrap_servers: str, snapshots: str) -> dict[str, Any]:
        """Settings of the system under test; what is not named here is left as shipped.

        Args:
            bootstrap_servers: of a broker that nobody else uses.
            snapshots: directory of the snapshots.
        """
        return {
            "model": {"name": self.model, "device": "cpu"},
            "memory": {"budget_tokens": self.budget_tokens},
            "kafka": {"bootstrap_servers": bootstrap_servers, "frames_partitions": self.streams},
            # Above the cameras' own rate, so that sampling keeps every frame and frames can be counted.
            "video": {"target_fps": 2 * self.fps},
            "snapshots": {"url": snapshots, "interval_s": self.snapshot_interval_s},
            "events": {"database": f"sqlite:///{snapshots}/events.sqlite"},
            "cluster": {
                "address": "local",
                "memory_workers": 2,
                "take_over_after_s": None if Kind.MEMORY_WAITS in self.kinds else 0.0,
            },
            # Nobody waits in vain for long: for a frame that is behind the end, or of a worker that is gone.
            "api": {"port": 0, "request_timeout_s": 10.0},
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "kinds": [kind.value for kind in self.kinds]}


FULL = Plan()
QUICK = Plan(faults=3, streams=4, snapshot_interval_s=5.0, before_s=2.0)
