"""What the demo shows: its cameras, its questions, its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TARGET_FPS = 2.0
CAMERA_FPS = 5.0
"""More than the memory sees, so that sampling has something to skip."""
SEGMENT_SECONDS = 1.0
ONCE_SECONDS = 20.0
"""Video time that ``--once`` publishes per camera."""
BUDGET_TOKENS = 126
"""14 frames of the bundled model's 9 tokens: less than ``--once`` shows, so that memories are compacted."""
_SLOTS = 8
FIRST_SEED = 5
"""World of the first simulated camera; each further one films the next. These are busy from the start."""
WIDTH_PX = 320
HEIGHT_PX = 240

FOOTAGE = {"bikes": "bikes.mp4", "carphone": "carphone_pristine.mp4"}
"""Stream id to clip."""

FOOTAGE_TURNS = 3
SIMULATED_TURNS = 8
"""Questions that ``--once`` asks of each stream; of a simulated one, those that make sense at its end."""


@dataclass(frozen=True)
class Scenario:
    """One run of the demo.

    Attributes:
        simulated_cameras: how many simulated cameras publish.
        footage: whether real footage is published too.
        seconds: video time to publish per camera; ``None``: until stopped, in real time.
    """

    simulated_cameras: int
    footage: bool
    seconds: float | None

    @property
    def realtime(self) -> bool:
        """Whether frames are published as they would be taken, or as fast as the machine can."""
        return self.seconds is None


def settings_overrides(
    bootstrap_servers: str, port: int, streams: int, assignments: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings of the demo: small enough for a laptop, and what the user set by hand on top."""
    overrides: dict[str, Any] = {
        "memory": {
            "budget_tokens": BUDGET_TOKENS,
            "slots": max(_SLOTS, streams),
            "compaction_slack": 0.25,
        },
        "video": {"target_fps": TARGET_FPS, "max_side_px": WIDTH_PX},
        # A cluster of its own: the demo must not join, and never end, one that somebody else runs here.
        "cluster": {"address": "local"},
    }
    for section, values in assignments.items():
        merged = overrides.get(section, {})
        overrides[section] = merged | values if isinstance(values, Mapping) else values
    overrides["kafka"] = overrides.get("kafka", {}) | {"bootstrap_servers": bootstrap_servers}
    overrides["api"] = overrides.get("api", {}) | {"port": port}
    return overrides
