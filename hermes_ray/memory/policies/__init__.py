"""Memory policies behind one interface; :func:`build` makes the configured one."""

from hermes_ray.config import MemorySettings
from hermes_ray.memory.policies.base import Policy, Probe
from hermes_ray.memory.policies.simple import Full, RecentOnly, SinkWindow, Uniform

__all__ = ["Policy", "Probe", "build"]


def build(settings: MemorySettings, layers: int) -> Policy:
    """Make the policy that the settings name.

    Args:
        settings: policy name and its numbers.
        layers: decoder layers of the model.
    """
    match settings.policy:
        case "full":
            return Full()
        case "recent_only":
            return RecentOnly(settings.recent_frames)
        case "sink_window":
            return SinkWindow()
        case "uniform":
            return Uniform()
