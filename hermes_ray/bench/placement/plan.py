"""The cluster that is simulated, and how long things take in it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one run. Times are simulated: the run itself takes seconds.

    Attributes:
        streams: cameras.
        workers: memory workers, a GPU each.
        capacity: streams that a worker has room for.
        kills: processes of workers that are killed one after the other; each comes back before the next is.
        added: workers added at the end.
        move_s: of one stream's move, from asking its worker for a last snapshot until the next one has read it.
        restart_s: from the end of a process until the next has loaded its model and has its streams.
        settle_s: for how long a worker must have answered before it is given others' streams.
        snapshot_mib: of one stream's snapshot; 4352 tokens of a LLaVA-OneVision 7B in bfloat16.
        seed: of everything random.
    """

    streams: int = 10_000
    workers: int = 50
    capacity: int = 240
    kills: int = 10
    added: int = 5
    move_s: float = 1.5
    restart_s: float = 90.0
    settle_s: float = 5.0
    snapshot_mib: float = 238.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


FULL = Plan()
QUICK = Plan(streams=1_000, workers=10, capacity=120, kills=3, added=1)
