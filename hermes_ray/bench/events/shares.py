"""Shares of what was found, with the doubt that is left."""

from collections.abc import Mapping, Sequence

from hermes_ray.bench.events.truth import Score
from hermes_ray.bench.figures import Figure
from hermes_ray.bench.statistics import grouped_interval

_DOUBT = "95 % interval, cameras resampled"


def precision(name: str, model: str, scores: Mapping[str, Sequence[Score]], note: str) -> Figure:
    """How much of what was told is right.

    Args:
        name: of the figure.
        model: that was asked.
        scores: of each camera.
        note: what was told.
    """
    right = [sum(one.right for one in of_camera) for of_camera in scores.values()]
    return _share(name, model, right, [sum(one.matches for one in of_camera) for of_camera in scores.values()], note)


def recall(name: str, model: str, scores: Mapping[str, Sequence[Score]], note: str) -> Figure:
    """How much of what happened is found; arguments as for :func:`precision`."""
    found = [sum(one.found for one in of_camera) for of_camera in scores.values()]
    return _share(name, model, found, [sum(one.episodes for one in of_camera) for of_camera in scores.values()], note)


def _share(name: str, model: str, parts: Sequence[int], wholes: Sequence[int], note: str) -> Figure:
    low, high = grouped_interval(parts, wholes)
    whole = sum(wholes)
    detail = {"of": whole, "low_percent": 100 * low, "high_percent": 100 * high}
    value = 100 * sum(parts) / whole if whole else 0.0
    return Figure(name, model, value, "%", detail=detail, note=f"{note}; {_DOUBT}")
