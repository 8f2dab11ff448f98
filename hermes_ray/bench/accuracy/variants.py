"""The policies that are compared, each with the same number of cached tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from hermes_ray.bench.peers.streams import PEERS
from hermes_ray.config import MemorySettings
from hermes_ray.memory.policies.presets import ABLATIONS, HERMES, HermesParameters

DEFAULT = "hermes"
"""The default policy; every other is compared with it."""
_OWN_BUDGET = "recent_only_4"
_HIGHLIGHTS = "highlights"
_LAZY = "hermes-lazy-positions"
_ROTATED = "hermes-rotated-keys"


@dataclass(frozen=True)
class Variant:
    """One policy at one budget.

    Attributes:
        policy: name in the results.
        budget_percent: of the stream's visual tokens; 100 for what is not bounded.
        settings: of the memory.
        same_budget: false for a policy that by its nature keeps another number of tokens.
        highlights: it is shown only frames in which something is to be seen, and the newest few: a perfect memory's
            content, which no policy can know in advance. What it gets wrong is the model's fault.
    """

    policy: str
    budget_percent: float
    settings: Mapping[str, Any]
    same_budget: bool = True
    highlights: bool = False

    @property
    def is_peer(self) -> bool:
        """Whether it works at question time too, on a memory that is not ours."""
        return self.policy in PEERS

    @property
    def is_of_default(self) -> bool:
        """Whether it is the default policy with one thing changed."""
        return self.policy.startswith(f"{DEFAULT}-")

    def memory(self, slots: int) -> MemorySettings:
        """Memory settings for so many streams at once."""
        return MemorySettings.model_validate({**self.settings, "slots": slots})


def variants(
    budgets_percent: Sequence[float], stream_tokens: int, frame_tokens: int, policies: Sequence[str] | None = None
) -> list[Variant]:
    """Every policy at every budget, and once each what has no budget.

    Args:
        budgets_percent: budgets as shares of the stream, percent.
        stream_tokens: visual tokens of the whole stream.
        frame_tokens: visual tokens of one frame; budgets are whole frames.
        policies: only these; ``None`` for all.

    Raises:
        KeyError: no such policy.
    """
    if unknown := set(policies or ()) - set(policy_names()):
        raise KeyError(*sorted(unknown))
    found: list[Variant] = []
    for percent in budgets_percent:
        frames = max(1, round(percent / 100 * stream_tokens / frame_tokens))
        settings = _settings(frames * frame_tokens, frames)
        chosen = settings if policies is None else [name for name in policies if name in settings]
        found += [Variant(policy, percent, settings[policy]) for policy in chosen]
    unbounded = _without_budget(stream_tokens, frame_tokens)
    return found + [variant for variant in unbounded if policies is None or variant.policy in policies]


def policy_names() -> list[str]:
    """All policies, in the order in which they are shown."""
    return [*_settings(1, 1), *(variant.policy for variant in _without_budget(1, 1))]


def _without_budget(stream_tokens: int, frame_tokens: int) -> list[Variant]:
    everything = {"policy": "full", "budget_tokens": stream_tokens + frame_tokens}
    return [
        Variant(_OWN_BUDGET, 100 * 4 * frame_tokens / stream_tokens, _last_four(frame_tokens), same_budget=False),
        Variant("full", 100.0, everything, same_budget=False),
        Variant(_HIGHLIGHTS, 100.0, everything, same_budget=False, highlights=True),
    ]


def _settings(budget_tokens: int, budget_frames: int) -> dict[str, dict[str, Any]]:
    # Re-numbered at every compaction, so that no policy meets positions beyond those of the bundled training.
    # `hermes-lazy-positions` shows what the other choice does.
    common: dict[str, Any] = {"budget_tokens": budget_tokens, "positions": "eager"}
    plain = ("paper", "reference", "infinipot_v", "streammem", "uniform", "sink_window")
    settings = {DEFAULT: {"policy": DEFAULT, **common}}
    settings |= {name: {"policy": name, **common} for name in plain}
    settings["recent_only"] = {"policy": "recent_only", "recent_frames": budget_frames, **common}
    settings |= {name: {"budget_tokens": budget_tokens} for name in PEERS}
    settings |= {name: {**common, **override(parameters)} for name, parameters in ABLATIONS.items()}
    settings[_ROTATED] = {"policy": DEFAULT, **common, "keys": "rotated"}
    settings[_LAZY] = {"policy": DEFAULT, **common, "positions": "lazy"}
    return settings


def _last_four(frame_tokens: int) -> dict[str, Any]:
    """The last four frames and strictly nothing else, as SimpleStream has it."""
    own = {"recent_frames": 4, "budget_tokens": 4 * frame_tokens, "compaction_slack": 0.0}
    return {"policy": "recent_only", "positions": "eager", **own}


def override(parameters: HermesParameters) -> dict[str, Any]:
    """Memory settings that make the default policy into one with these parameters."""
    changed = {
        field.name: getattr(parameters, field.name)
        for field in fields(HermesParameters)
        if getattr(parameters, field.name) != getattr(HERMES, field.name)
    }
    settings: dict[str, Any] = {"policy": DEFAULT}
    if "recent_frames" in changed:
        settings["recent_frames"] = changed.pop("recent_frames")
    return settings | ({"hermes": changed} if changed else {})
