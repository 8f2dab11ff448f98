"""What each kind of thing looks like: a few rectangles and ellipses in its own unit square."""

from dataclasses import dataclass
from typing import Literal

Paint = Literal["body", "shade", "glass", "dark", "skin"]


@dataclass(frozen=True, slots=True)
class Part:
    """One filled shape. x runs from the tail (-1) to the front (1), y from the top (-1) to the bottom (1)."""

    shape: Literal["rectangle", "ellipse"]
    left: float
    top: float
    right: float
    bottom: float
    paint: Paint


def _box(left: float, top: float, right: float, bottom: float, paint: Paint = "body") -> Part:
    return Part("rectangle", left, top, right, bottom, paint)


def _disc(x: float, y: float, radius_x: float, radius_y: float, paint: Paint = "dark") -> Part:
    return Part("ellipse", x - radius_x, y - radius_y, x + radius_x, y + radius_y, paint)


SILHOUETTES: dict[str, tuple[Part, ...]] = {
    "car": (
        _box(-1.0, -0.15, 1.0, 0.60),
        _box(-0.60, -1.0, 0.45, -0.15),
        _box(-0.45, -0.80, 0.30, -0.15, "glass"),
        _disc(-0.55, 0.60, 0.24, 0.40),
        _disc(0.55, 0.60, 0.24, 0.40),
    ),
    "truck": (
        _box(-1.0, -1.0, 0.35, 0.55),
        _box(0.42, -0.35, 1.0, 0.60, "shade"),
        _box(0.65, -0.20, 0.98, 0.15, "glass"),
        _disc(-0.70, 0.68, 0.20, 0.32),
        _disc(-0.25, 0.68, 0.20, 0.32),
        _disc(0.68, 0.68, 0.20, 0.32),
    ),
    "bus": (
        _box(-1.0, -1.0, 1.0, 0.70),
        _box(-0.90, -0.65, 0.95, -0.05, "glass"),
        _box(-0.40, -0.65, -0.28, -0.05),
        _box(0.22, -0.65, 0.34, -0.05),
        _disc(-0.62, 0.72, 0.16, 0.28),
        _disc(0.62, 0.72, 0.16, 0.28),
    ),
    "bike": (
        _disc(-0.60, 0.45, 0.40, 0.55),
        _disc(0.60, 0.45, 0.40, 0.55),
        _disc(-0.60, 0.45, 0.20, 0.28, "glass"),
        _disc(0.60, 0.45, 0.20, 0.28, "glass"),
        _box(-0.60, -0.35, 0.55, 0.15),
        _box(-0.60, -0.75, -0.20, -0.45),
        _box(0.35, -1.0, 0.60, 0.0),
    ),
    "person": (
        _disc(0.0, -0.78, 0.55, 0.22, "skin"),
        _box(-0.85, -0.55, 0.85, 0.25),
        _box(-0.70, 0.25, -0.10, 1.0, "dark"),
        _box(0.10, 0.25, 0.70, 1.0, "dark"),
    ),
    "dog": (
        _disc(-0.10, -0.05, 0.70, 0.48, "body"),
        _disc(0.72, -0.48, 0.28, 0.45, "body"),
        _box(-0.65, 0.10, -0.45, 1.0, "shade"),
        _box(-0.35, 0.10, -0.15, 1.0, "shade"),
        _box(0.20, 0.10, 0.40, 1.0, "shade"),
        _box(0.48, 0.10, 0.66, 1.0, "shade"),
        _box(-1.0, -0.75, -0.72, -0.10, "body"),
    ),
}

COLOUR_RGB: dict[str, tuple[int, int, int]] = {
    "red": (215, 35, 35),
    "green": (30, 165, 55),
    "blue": (40, 80, 225),
    "yellow": (240, 210, 40),
    "white": (245, 245, 245),
    "purple": (165, 50, 200),
}

FIXED_RGB: dict[str, tuple[int, int, int]] = {
    "glass": (120, 145, 160),
    "dark": (25, 25, 28),
    "skin": (215, 165, 135),
}
SHADE = 0.75
"""How bright the shaded parts of a body are, against its colour."""
