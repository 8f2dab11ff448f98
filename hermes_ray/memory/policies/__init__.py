"""Memory policies behind one interface; :func:`build` makes the configured one."""

from dataclasses import replace

from torch import Tensor

from hermes_ray.config import MemorySettings
from hermes_ray.memory import tiers
from hermes_ray.memory.policies.base import Policy, Probe
from hermes_ray.memory.policies.hermes import Hermes
from hermes_ray.memory.policies.infinipot_v import InfiniPotV
from hermes_ray.memory.policies.presets import LLAVA_K_END, HermesParameters, preset
from hermes_ray.memory.policies.simple import Full, RecentOnly, SinkWindow, Uniform
from hermes_ray.memory.policies.streammem import StreamMem

__all__ = ["Hermes", "HermesParameters", "Policy", "Probe", "build", "hermes_parameters"]


def build(
    settings: MemorySettings,
    layers: int,
    *,
    k_end: float = LLAVA_K_END,
    key_bias: Tensor | None = None,
    frame_tokens: int | None = None,
) -> Policy:
    """Make the policy that the settings name.

    Args:
        settings: policy name and its numbers.
        layers: decoder layers of the model.
        k_end: recency decay that the model's family prefers, where the policy leaves it open.
        key_bias: what the model adds to every key, [layers, kv_heads, head_dim]; ``None`` for nothing.
        frame_tokens: the most tokens of one frame; without it some policies wait for the device to find out.
    """
    match settings.policy:
        case "hermes" | "paper" | "reference":
            return Hermes(
                hermes_parameters(settings, k_end),
                tiers.layout(layers),
                settings.policy,
                frame_tokens,
                protects_scene=settings.unchanged_patches == "drop",
            )
        case "full":
            return Full()
        case "recent_only":
            return RecentOnly(settings.recent_frames)
        case "sink_window":
            return SinkWindow()
        case "uniform":
            return Uniform()
        case "infinipot_v":
            return InfiniPotV(frame_tokens)
        case "streammem":
            return StreamMem(key_bias=key_bias)


def hermes_parameters(settings: MemorySettings, k_end: float = LLAVA_K_END) -> HermesParameters:
    """The preset that the settings name, with their overrides; the family's ``k_end`` where both leave it open."""
    parameters = preset(settings.policy, k_end)
    if settings.policy == "hermes":
        parameters = replace(parameters, recent_frames=settings.recent_frames)
    parameters = replace(parameters, **settings.hermes.model_dump(exclude_none=True))
    return replace(parameters, k_end=k_end) if parameters.k_end is None else parameters
