"""How many ask, for how long, and the system that they ask."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, cycle
from typing import Any

from hermes_ray.config import EngineSettings, MemorySettings

QUESTION = "what happened ?"


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one run.

    Attributes:
        model: what watches the streams: a directory, hub name or bundled name.
        askers: how many ask at once, one level after the other; each asks again as soon as it has its answer.
        seconds: of each level, behind its warm-up.
        warm_up_s: of each level, not counted.
        streams: cameras; every asker asks about one after the other.
        fps: frames per second that each camera publishes and the memory sees.
        budget_tokens: the most tokens of each stream in a layer.
        fill_frames: that each memory has seen before anybody asks.
        max_tokens: of an answer.
    """

    model: str = "hermes-tiny"
    askers: tuple[int, ...] = (1, 8, 32, 64, 500)
    seconds: float = 20.0
    warm_up_s: float = 3.0
    streams: int = 4
    fps: float = 2.0
    budget_tokens: int = 360
    fill_frames: int = 40
    max_tokens: int = 16

    def stream_ids(self) -> tuple[str, ...]:
        """The streams' names."""
        return tuple(f"camera-{number}" for number in range(self.streams))

    def asked_by(self, asker: int) -> Iterator[str]:
        """The streams that an asker asks about, one question each, for ever.

        Everybody asks about all of them, since answers about one are longer than about another: askers who kept to
        one would change, by their number, how much there is to say.
        """
        streams, first = self.stream_ids(), asker % self.streams
        return cycle(chain(streams[first:], streams[:first]))

    @property
    def memory(self) -> MemorySettings:
        """Of the engine alone, and of the system."""
        return MemorySettings(budget_tokens=self.budget_tokens)

    @property
    def most_of_engine(self) -> int:
        """How many can ask an engine alone at once: it refuses more than it queues, and has no queue before it."""
        limits = EngineSettings()
        return limits.max_questions + limits.max_questions_waiting

    @property
    def engine_askers(self) -> tuple[int, ...]:
        """Levels at which an engine alone can be asked."""
        return tuple(count for count in self.askers if count <= self.most_of_engine)

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
            "video": {"target_fps": 2 * self.fps},
            "snapshots": {"url": snapshots},
            "events": {"database": f"sqlite:///{snapshots}/events.sqlite"},
            "cluster": {"address": "local", "memory_workers": 1},
            "api": {"port": 0},
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "askers": list(self.askers)}


FULL = Plan()
QUICK = Plan(askers=(1, 64, 500), seconds=4.0, warm_up_s=1.0, fill_frames=8)
