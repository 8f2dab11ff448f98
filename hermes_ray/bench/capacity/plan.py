"""What the cameras of a run show, when it is too many of them, and the system that they publish to."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Unchanged = Literal["keep", "skip"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Size of one run.

    Attributes:
        model: what watches the streams: a directory, hub name or bundled name.
        unchanged: settings of ``video.unchanged`` to compare, each in a system of its own.
        quiet: share of the frames that show nothing new.
        fps: frames per second that each camera publishes and the memory sees.
        width_px, height_px: of the cameras' pictures.
        first: cameras of the first level.
        most: cameras of the last level, if it comes to that.
        run_in_s: with the first cameras, before the first level: what works for the first time is slow.
        warm_up_s: of each level, not counted.
        seconds: of each level that count.
        tries: a number of cameras is too much if it was so many times.
        max_lag_s: it is too many cameras when the 99th percentile from capture to askable is above this,
        max_ttft_s: or the 95th percentile of questions' time to first token is above this.
        question_every_s: between two questions, each about another camera.
        budget_tokens: the most tokens of each stream in a layer. Small, so that memories are full soon.
    """

    model: str = "hermes-tiny"
    unchanged: tuple[Unchanged, ...] = ("keep", "skip")
    quiet: float = 0.9
    fps: float = 2.0
    width_px: int = 640
    height_px: int = 360
    first: int = 4
    most: int = 512
    run_in_s: float = 10.0
    warm_up_s: float = 5.0
    seconds: float = 15.0
    tries: int = 2
    max_lag_s: float = 2.0
    max_ttft_s: float = 2.0
    question_every_s: float = 0.5
    budget_tokens: int = 180

    def stream_ids(self) -> tuple[str, ...]:
        """The names of all streams that there may be."""
        return tuple(f"camera-{number}" for number in range(self.most))

    def settings(self, unchanged: Unchanged, bootstrap_servers: str, snapshots: str) -> dict[str, Any]:
        """Settings of a system under test; what is not named here is left as shipped.

        Args:
            unchanged: ``video.unchanged``.
            bootstrap_servers: of a broker that nobody else uses.
            snapshots: directory of the snapshots.
        """
        return {
            "model": {"name": self.model},
            "memory": {"budget_tokens": self.budget_tokens, "host_streams": self.most},
            "kafka": {"bootstrap_servers": bootstrap_servers},
            # Above the cameras' own rate, so that sampling keeps every frame.
            "video": {"target_fps": 2 * self.fps, "unchanged": unchanged},
            "snapshots": {"url": snapshots},
            "cluster": {"address": "local", "memory_workers": 1},
            "api": {"port": 0},
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "unchanged": list(self.unchanged)}


FULL = Plan()
QUICK = Plan(warm_up_s=3.0, seconds=8.0)
