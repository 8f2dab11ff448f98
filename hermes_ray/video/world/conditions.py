"""What real cameras have and a drawing lacks: noise, flicker, drifting light, compression, shaking, panning.

A condition changes how a world looks, not what is true in it: whatever happens keeps its place in the picture to within
the few pixels by which a shaken camera moves. Everything follows from the world's seed and the time, so any frame can
be drawn without those before it.
"""

import math
from dataclasses import dataclass, fields
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from hermes_ray.errors import ConfigError

_Canvas = NDArray[np.float32]

_SHAKE, _FLICKER = 5, 6  # what a draw is for, beside the seeds of the world itself
_BAND_HEIGHT = 0.7  # of the picture, of one light and one dark band of a lamp against a rolling shutter
_CLOUD_PERIODS_S = (37.0, 61.0, 97.0)
_BLOCK = 8
_LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.float32,
)
"""ITU-T T.81 (JPEG), table K.1."""
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Condition:
    """How the simulated camera sees. The defaults are those of a good camera by day.

    Attributes:
        noise: standard deviation of the sensor's noise, of 255, per pixel and colour.
        flicker: by how much lamps make a frame brighter or darker, share; half of it lies in bands.
        clouds: by how much light drifts over a minute or so, share; the picture's halves drift apart by half of it.
        quality: of JPEG's quantisation, 1 to 100; 0 for none.
        shake: how far a frame is displaced at most, each way, share of the picture's width.
        pan: how much of the picture's width the camera turns in a second. What happens turns with it.
    """

    noise: float = 5.0
    flicker: float = 0.0
    clouds: float = 0.0
    quality: int = 0
    shake: float = 0.0
    pan: float = 0.0

    def __or__(self, other: "Condition") -> "Condition":
        """Both: where they differ from a good camera, the other one decides."""
        clean = Condition()
        changed = {f.name: getattr(other, f.name) for f in fields(self)}
        return Condition(
            **{name: getattr(self, name) if value == getattr(clean, name) else value for name, value in changed.items()}
        )

    @classmethod
    def named(cls, name: str) -> "Condition":
        """The condition of a name, or of several with ``+`` between them.

        Raises:
            ConfigError: no such condition.
        """
        parts = [part.strip() for part in name.split("+")]
        if unknown := [part for part in parts if part not in CONDITIONS]:
            raise ConfigError(
                f"no condition {', '.join(map(repr, unknown))}; there are {', '.join(CONDITIONS)}, and several with +"
            )
        return reduce(Condition.__or__, [CONDITIONS[part] for part in parts])


CONDITIONS = {
    "clean": Condition(),
    "noise": Condition(noise=12.0),
    "flicker": Condition(flicker=0.12),
    "light": Condition(clouds=0.3),
    "compression": Condition(quality=30),
    "shaking": Condition(shake=2 / 72),
    "panning": Condition(pan=0.05),
}
"""By name: as a camera has it at night, under lamps, on a windy day."""


def light(condition: Condition, seed: int, t_s: float, height: int, width: int) -> _Canvas | None:
    """What every pixel's brightness is multiplied with, ``[height, width, 1]`` or less; ``None`` for 1."""
    gain: _Canvas | None = None
    if condition.flicker:
        rng = np.random.default_rng([seed, _FLICKER, round(t_s * 1000)])
        whole, phase = rng.uniform(-1, 1), rng.uniform()
        rows = np.arange(height, dtype=np.float32) / height / _BAND_HEIGHT
        bands = np.sin(2 * math.pi * (rows + phase)).astype(np.float32)
        gain = (1 + condition.flicker * (0.5 * whole + 0.5 * bands)).astype(np.float32)[:, None, None]
    if condition.clouds:
        phases = np.random.default_rng([seed, _FLICKER]).uniform(0, 1, (2, len(_CLOUD_PERIODS_S)))
        left, right = (
            np.mean(
                [
                    math.sin(2 * math.pi * (t_s / period + phase))
                    for period, phase in zip(_CLOUD_PERIODS_S, row, strict=True)
                ]
            )
            for row in phases
        )
        across = np.linspace(0, 1, width, dtype=np.float32)
        drift = (0.75 - 0.5 * across) * left + (0.25 + 0.5 * across) * right
        clouds = (1 + condition.clouds * drift).astype(np.float32)[None, :, None]
        gain = clouds if gain is None else gain * clouds
    return gain


def panorama(background: _Canvas) -> _Canvas:
    """A background that goes on for ever to both sides: the picture and its mirror image, by turns."""
    return np.concatenate([background, background[:, ::-1]], axis=1)


def turned(panorama_: _Canvas, condition: Condition, t_s: float) -> _Canvas:
    """The part of a panorama that a turning camera sees: ``[height, width, 3]`` of ``[height, 2 * width, 3]``."""
    width = panorama_.shape[1] // 2
    columns = np.arange(width) + condition.pan * t_s * width
    first = np.floor(columns).astype(int)
    share = (columns - first).astype(np.float32)[None, :, None]
    ahead, behind = panorama_[:, first % (2 * width)], panorama_[:, (first + 1) % (2 * width)]
    return ahead + share * (behind - ahead)


def shaken(canvas: _Canvas, condition: Condition, seed: int, t_s: float) -> _Canvas:
    """A picture displaced by a fraction of pixels; what was outside is as at the border."""
    width = canvas.shape[1]
    down, right = np.random.default_rng([seed, _SHAKE, round(t_s * 1000)]).uniform(-1, 1, 2) * condition.shake * width
    return _displaced(_displaced(canvas, down, 0), right, 1)


def _displaced(canvas: _Canvas, by: float, axis: int) -> _Canvas:
    last = canvas.shape[axis] - 1
    places = np.clip(np.arange(last + 1) - by, 0, last)
    first = np.minimum(places.astype(int), max(0, last - 1))
    share = (places - first).astype(np.float32)
    share = share[:, None, None] if axis == 0 else share[None, :, None]
    ahead, behind = canvas.take(first, axis), canvas.take(np.minimum(first + 1, last), axis)
    return ahead + share * (behind - ahead)


def compressed(canvas: _Canvas, quality: int) -> _Canvas:
    """What is left of a picture after JPEG's quantisation of luma and both chromas, in blocks of eight by eight.

    Args:
        canvas: ``[height, width, 3]``, 0 to 255.
        quality: 1 to 100, as libjpeg scales its tables.
    """
    height, width = canvas.shape[:2]
    margins = ((0, -height % _BLOCK), (0, -width % _BLOCK), (0, 0))
    planes = np.moveaxis(np.pad(canvas, margins, mode="edge") @ _TO_YCC.T, 2, 0)
    rows, columns = planes.shape[1] // _BLOCK, planes.shape[2] // _BLOCK
    blocks = planes.reshape(3, rows, _BLOCK, columns, _BLOCK).swapaxes(2, 3)
    table = _quantisation(quality)
    transform = _cosines()
    kept = np.round(transform @ (blocks - 128 * (np.arange(3) == 0)[:, None, None, None, None]) @ transform.T / table)
    restored = transform.T @ (kept * table) @ transform
    planes = restored.swapaxes(2, 3).reshape(planes.shape)
    planes[0] += 128
    return (np.moveaxis(planes, 0, 2) @ np.linalg.inv(_TO_YCC).T)[:height, :width].astype(np.float32)


@lru_cache(maxsize=8)
def _quantisation(quality: int) -> _Canvas:
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return np.maximum(1, np.floor((_LUMA_TABLE * scale + 50) / 100)).astype(np.float32)


@lru_cache(maxsize=1)
def _cosines() -> _Canvas:
    """The orthonormal discrete cosine transform of eight numbers."""
    place = np.arange(_BLOCK)
    matrix = np.cos(np.pi * (place[None, :] + 0.5) * place[:, None] / _BLOCK) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.astype(np.float32)
