"""Pictures of benchmarks need matplotlib, which the package does not."""

from importlib.util import find_spec

from hermes_ray.errors import ConfigError


def require_matplotlib() -> None:
    """Check before a long run that its results can be drawn.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("--picture needs matplotlib: pip install matplotlib")
