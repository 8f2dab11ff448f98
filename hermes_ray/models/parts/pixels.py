"""Pictures of any size to the normalised pixels that a vision tower takes, without torchvision.

The numbers come from the preprocessing files that a model ships. Resampling is torch's antialiased bicubic or
bilinear interpolation of 8-bit pixels, width before height: exactly what transformers' torchvision processors compute
on the CPU. Where resampling differs: PIL's own is within 2/255 of it, but for hard edges beside black or white, where
bicubic overshoot is cut off after each pass and newer versions of PIL may take height first; on a GPU the torchvision
processors compute in floating point and cut off overshoot only once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from hermes_ray.errors import MissingWeights, UnsupportedModel
from hermes_ray.memory.transfer import to_device

_RESAMPLING = {2: "bilinear", 3: "bicubic"}  # PIL's numbers, as preprocessing files store them
_JOINT_FILE = "processor_config.json"  # where newer transformers nest the configurations of all processors
_FILES = ("video_preprocessor_config.json", "preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class PixelNormalisation:
    """How 8-bit pixels become the numbers a vision tower was trained on.

    Attributes:
        mean: per channel, of pixels scaled to [0, 1].
        std: per channel, of pixels scaled to [0, 1].
        resampling: ``bicubic`` or ``bilinear``.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resampling: str

    def resized(self, image: NDArray[np.uint8], height: int, width: int) -> Tensor:
        """Resize one picture on the CPU.

        In 8 bits throughout, as the processors do: bicubic overshoot at an edge is cut off after each pass. torch has
        that for the CPU alone, and 8 bits are a quarter of what would otherwise wait and travel to a GPU.

        Args:
            image: ``[height, width, 3]`` uint8 RGB, any size.
            height: target height, pixels.
            width: target width, pixels.

        Returns:
            ``[3, height, width]`` uint8 on the CPU, in memory of its own.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        if pixels.shape[-2:] == (height, width):
            return pixels[0].clone(memory_format=torch.contiguous_format)
        resized = interpolate(pixels, size=(height, width), mode=self.resampling, antialias=True)
        return resized[0].contiguous()

    def normalised(self, pictures: Sequence[Tensor], device: torch.device) -> Tensor:
        """Bring pictures of one size to the device in one copy, and normalise them there.

        Args:
            pictures: ``[3, height, width]`` each, from :meth:`resized`; or float32 that is normalised already, as
                snapshots of earlier versions hold them.
            device: where the vision tower is.

        Returns:
            ``[pictures, 3, height, width]`` float32 on ``device``. On a GPU equal to the CPU's but for the rounding of
            a division, at most 1e-6.
        """
        if (
            len({picture.dtype for picture in pictures}) > 1
        ):  # a frame of such a snapshot, and the next one of its group
            return torch.cat([self.normalised([picture], device) for picture in pictures])
        pixels = to_device(torch.stack(list(pictures)), device)
        return pixels if pixels.is_floating_point() else normalise(pixels, self.statistics(device))

    def statistics(self, device: torch.device) -> Tensor:
        """Mean and standard deviation, for :func:`normalise`: ``[2, 3, 1, 1]`` float32."""
        return to_device(torch.tensor((self.mean, self.std)), device)[..., None, None]


def normalise(pixels: Tensor, statistics: Tensor) -> Tensor:
    """Pictures ``[pictures, 3, height, width]`` uint8: scaled to [0, 1], less the mean, over the deviation."""
    mean, std = statistics
    return (pixels.float() / 255 - mean) / std


def read_preprocessing(directory: Path) -> dict[str, Any]:
    """The preprocessing configuration of a model directory, that for video where there is one.

    Raises:
        MissingWeights: the directory has none.
    """
    joint = directory / _JOINT_FILE
    if joint.is_file() and (nested := _read(joint).get("video_processor")):
        return nested
    for name in _FILES:
        if (directory / name).is_file():
            return _read(directory / name)
    raise MissingWeights(f"{directory} has neither {' nor '.join(_FILES)}: it is not a complete model directory")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MissingWeights(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise MissingWeights(f"{path} holds no JSON object")
    return content


def normalisation(preprocessing: dict[str, Any]) -> PixelNormalisation:
    """Read the normalisation out of a preprocessing configuration.

    Raises:
        UnsupportedModel: it asks for a resampling that is not built here.
        MissingWeights: it does not say how pixels are normalised.
    """
    if lacking := [key for key in ("image_mean", "image_std") if key not in preprocessing]:
        raise MissingWeights(f"the model's preprocessing configuration lacks {' and '.join(lacking)}")
    number = preprocessing.get("resample", 3)
    if number not in _RESAMPLING:
        raise UnsupportedModel(f"the model's preprocessing asks for resampling {number}; known are {_RESAMPLING}")
    return PixelNormalisation(
        mean=_three(preprocessing["image_mean"]),
        std=_three(preprocessing["image_std"]),
        resampling=_RESAMPLING[number],
    )


def _three(numbers: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = numbers
    return float(red), float(green), float(blue)
