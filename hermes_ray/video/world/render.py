"""Draws a :class:`~hermes_ray.video.world.scene.World` as pictures, at any resolution, with numpy alone."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hermes_ray.video.world import conditions
from hermes_ray.video.world.conditions import Condition
from hermes_ray.video.world.scene import TRACK_CENTRES, Visit, World
from hermes_ray.video.world.silhouettes import COLOUR_RGB, FIXED_RGB, SHADE, SILHOUETTES

_NIGHT_LIGHT = np.array([0.40, 0.42, 0.52], dtype=np.float32)
_DAY_LIGHT = np.array([1.0, 1.0, 1.0], dtype=np.float32)
_TEXTURE_CELLS = 12

Image = NDArray[np.uint8]
_Canvas = NDArray[np.float32]


class Renderer:
    """Draws one world at one resolution. The background is drawn once, at construction.

    Args:
        world: what to draw.
        width: picture width, pixels.
        height: picture height, pixels.
        condition: how the camera sees; by default a good one, by day and by night.
    """

    def __init__(self, world: World, width: int, height: int, condition: Condition | None = None) -> None:
        self._world = world
        self._condition = condition or Condition()
        self._background = _draw_background(np.random.default_rng([world.seed, 3]), width, height)
        self._panorama = conditions.panorama(self._background) if self._condition.pan else None
        self._noise = _noise_field(width, height, self._condition.noise)

    def render(self, t_s: float) -> Image:
        """Return the picture at ``t_s`` seconds of world time: ``[height, width, 3]``, uint8, RGB."""
        canvas = self._background_at(t_s)
        for visit in self._world.visits(t_s, t_s):
            if visit.visible(t_s) > 0:
                _draw_visit(canvas, visit, visit.x(t_s))
        if self._condition.shake:
            canvas = conditions.shaken(canvas, self._condition, self._world.seed, t_s)
        daylight = np.float32(self._world.daylight(t_s))
        canvas *= _NIGHT_LIGHT + (_DAY_LIGHT - _NIGHT_LIGHT) * daylight
        gain = conditions.light(self._condition, self._world.seed, t_s, *canvas.shape[:2])
        if gain is not None:
            canvas *= gain
        canvas += self._noise_at(t_s)
        if self._condition.quality:
            canvas = conditions.compressed(np.clip(canvas, 0, 255), self._condition.quality)
        return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)

    def _background_at(self, t_s: float) -> _Canvas:
        if self._panorama is None:
            return self._background.copy()
        return conditions.turned(self._panorama, self._condition, t_s)

    def _noise_at(self, t_s: float) -> _Canvas:
        # A window of one large noise field, at a place that depends on the millisecond: as good as fresh noise.
        height, width = self._background.shape[:2]
        place = round(t_s * 1000) + self._world.seed
        top, left = (place * 7919) % height, (place * 104729) % width
        return self._noise[top : top + height, left : left + width]


@lru_cache(maxsize=4)
def _noise_field(width: int, height: int, std: float) -> _Canvas:
    rng = np.random.default_rng([width, height])
    return rng.standard_normal((2 * height, 2 * width, 3), dtype=np.float32) * np.float32(std)


def _draw_visit(canvas: _Canvas, visit: Visit, x: float) -> None:
    body = np.array(COLOUR_RGB[visit.colour], dtype=np.float32)
    paints = {"body": body, "shade": body * SHADE} | {
        name: np.array(rgb, dtype=np.float32) for name, rgb in FIXED_RGB.items()
    }
    for part in SILHOUETTES[visit.kind]:
        left, right = sorted((part.left * visit.direction, part.right * visit.direction))
        width, height = visit.size
        box = (
            x + left * width / 2,
            visit.y + part.top * height / 2,
            x + right * width / 2,
            visit.y + part.bottom * height / 2,
        )
        _fill(canvas, part.shape, box, paints[part.paint])


def _fill(canvas: _Canvas, shape: str, box: tuple[float, float, float, float], rgb: _Canvas) -> None:
    """Fill a shape, given as fractions of the picture (left, top, right, bottom), with smooth edges."""
    height, width = canvas.shape[:2]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    x0, x1 = max(0, int(left) - 1), min(width, int(right) + 2)
    y0, y1 = max(0, int(top) - 1), min(height, int(bottom) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    xs = np.arange(x0, x1, dtype=np.float32) + 0.5
    ys = np.arange(y0, y1, dtype=np.float32) + 0.5
    coverage = (_ellipse if shape == "ellipse" else _rectangle)(xs, ys, left, top, right, bottom)
    window = canvas[y0:y1, x0:x1]
    window += coverage[:, :, None] * (rgb - window)


def _rectangle(xs: _Canvas, ys: _Canvas, left: float, top: float, right: float, bottom: float) -> _Canvas:
    across = np.clip(np.minimum(xs - left, right - xs) + 0.5, 0, 1)
    down = np.clip(np.minimum(ys - top, bottom - ys) + 0.5, 0, 1)
    return (down[:, None] * across[None, :]).astype(np.float32)


def _ellipse(xs: _Canvas, ys: _Canvas, left: float, top: float, right: float, bottom: float) -> _Canvas:
    radius_x, radius_y = max((right - left) / 2, 0.25), max((bottom - top) / 2, 0.25)
    across = (xs - (left + right) / 2) / radius_x
    down = (ys - (top + bottom) / 2) / radius_y
    distance = np.sqrt(down[:, None] ** 2 + across[None, :] ** 2)
    return np.clip((1 - distance) * min(radius_x, radius_y) + 0.5, 0, 1).astype(np.float32)


def _draw_background(rng: np.random.Generator, width: int, height: int) -> _Canvas:
    canvas = np.empty((height, width, 3), dtype=np.float32)
    horizon = (TRACK_CENTRES[0] + TRACK_CENTRES[1]) / 2
    pavement = rng.uniform(120, 160) + rng.uniform(-10, 10, 3).astype(np.float32)
    road = rng.uniform(75, 110) + rng.uniform(-6, 6, 3).astype(np.float32)
    canvas[:] = road
    _fill(canvas, "rectangle", (-0.1, -0.1, 1.1, horizon), pavement.astype(np.float32))
    _draw_lane_marks(canvas, rng)
    _draw_clutter(canvas, rng)
    canvas += _texture(rng, width, height)
    return np.clip(canvas, 0, 255)


def _draw_lane_marks(canvas: _Canvas, rng: np.random.Generator) -> None:
    y = (TRACK_CENTRES[1] + TRACK_CENTRES[2]) / 2
    shift = rng.uniform(0, 0.2)
    paint = np.full(3, rng.uniform(130, 165), dtype=np.float32)
    for index in range(6):
        left = index * 0.2 - shift
        _fill(canvas, "rectangle", (left, y - 0.008, left + 0.1, y + 0.008), paint)


def _draw_clutter(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Draw posts, bushes and crates that never move; their colours are dull, unlike those of things that come."""
    for _ in range(rng.integers(3, 8)):
        x, y = rng.uniform(0, 1), rng.uniform(0, 1)
        grey = rng.uniform(45, 150)
        paint = (grey + rng.uniform(-14, 14, 3)).astype(np.float32)
        width, height = [(0.02, 0.25), (0.10, 0.08), (0.07, 0.07)][rng.integers(3)]
        shape = "ellipse" if rng.uniform() < 0.4 else "rectangle"
        _fill(canvas, shape, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), paint)


def _texture(rng: np.random.Generator, width: int, height: int) -> _Canvas:
    """Return a smooth random field: coarse values, interpolated to the picture's size."""
    coarse = rng.normal(0, 7, (_TEXTURE_CELLS, _TEXTURE_CELLS))
    grid = np.arange(_TEXTURE_CELLS)
    xs, ys = np.linspace(0, _TEXTURE_CELLS - 1, width), np.linspace(0, _TEXTURE_CELLS - 1, height)
    wide = np.stack([np.interp(xs, grid, row) for row in coarse])
    field = np.stack([np.interp(ys, grid, column) for column in wide.T], axis=1)
    return field[:, :, None].astype(np.float32)
