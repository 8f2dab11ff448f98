"""What is compared: memory policies at one budget, and the last few frames alone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hermes_ray.config import MemorySettings
from hermes_ray.errors import ConfigError
from hermes_ray.models import ModelAdapter

POLICIES = ("hermes", "paper", "reference", "infinipot_v", "streammem", "uniform", "sink_window")
"""The policies that a contender may have beside ``window`` and ``window-N``."""
_WINDOW = re.compile(r"window(?:-([1-9]\d{0,2}))?")
_WINDOW_FRAMES = 4


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the results.

    Attributes:
        name: as the caller wrote it.
        memory: of its engine.
        last_frames: it sees only so many frames at a question, in a memory of their own; ``None``: all so far.
        last_seconds: it sees only so much video time at a question, likewise.
    """

    name: str
    memory: MemorySettings
    last_frames: int | None = None
    last_seconds: float | None = None

    @property
    def settings(self) -> str:
        """All that makes it what it is, as JSON."""
        limits = {"last_frames": self.last_frames, "last_seconds": self.last_seconds}
        return json.dumps({**self.memory.model_dump(mode="json"), **limits}, sort_keys=True)


def contenders(
    names: Sequence[str], adapter: ModelAdapter, budget_tokens: int, context_s: float | None
) -> list[Contender]:
    """Make contenders of their names, each once.

    Args:
        names: policies, and ``window`` or ``window-N``: SimpleStream (arXiv 2604.02317), the last 4 or N frames
            encoded anew for every question, without the frames before them.
        adapter: the model.
        budget_tokens: visual tokens that a policy keeps per layer.
        context_s: policies see only so much video time before a question; ``None``: all of it.

    Raises:
        ConfigError: no such contender.
    """
    return [_contender(name, adapter, budget_tokens, context_s) for name in dict.fromkeys(names)]


def _contender(name: str, adapter: ModelAdapter, budget_tokens: int, context_s: float | None) -> Contender:
    if window := _WINDOW.fullmatch(name):
        frames = int(window[1] or _WINDOW_FRAMES)
        blocks = -(-frames // adapter.frames_per_block)
        whole = MemorySettings(policy="full", slots=1, budget_tokens=blocks * adapter.max_tokens_per_block)
        return Contender(name, whole, last_frames=frames)
    if name not in POLICIES:
        raise ConfigError(f"--policies: no policy {name!r}; there are {', '.join(POLICIES)}, window and window-N")
    memory = MemorySettings.model_validate({"policy": name, "slots": 1, "budget_tokens": budget_tokens})
    return Contender(name, memory, last_seconds=context_s)
