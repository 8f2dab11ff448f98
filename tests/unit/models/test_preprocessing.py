"""Frames of any size reach the vision tower as the families' own processors would hand them over."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as resize_frame
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as resize_clip

from hermes_ray import models
from hermes_ray.errors import UnsupportedMedia
from hermes_ray.models import FrameGroup, ModelAdapter
from hermes_ray.models.parts.resizing import PixelLimits
from tests.unit.models import families
from tests.unit.models.families import MAX_TOKENS_PER_FRAME, TOKEN_PX

SIZES = [(16, 24), (100, 60), (31, 77), (9, 200), (1080, 1920), (480, 640), (5, 7)]


def photograph(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth shading, hard edges and some noise, as a camera gives them, short of black and white.

    There bicubic overshoot is cut off, and PIL's result depends on which side it resizes first.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    shades = np.stack((x / width, y / height, (x + y) / (width + height)), axis=-1) * 170 + 40
    shades[height // 3 : height // 2, width // 4 : width // 2] = (215, 40, 90)
    noise = np.random.default_rng(height).normal(0, 6, shades.shape)
    return np.clip(shades + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def llava() -> ModelAdapter:
    return models.load(models.TINY_RANDOM, device="cpu")


sides = st.integers(min_value=1, max_value=4000)


@given(sides, sides, st.sampled_from([28, 32, 8]), st.integers(1, 40), st.integers(40, 1000))
def test_frame_size_is_that_of_the_processors(height: int, width: int, factor: int, least: int, most: int) -> None:
    smallest, largest = least * factor**2, most * factor**2
    of_frame = PixelLimits(factor, smallest, largest)
    of_clip = PixelLimits(factor, smallest / 2, largest, enlarges_narrow=True)
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(UnsupportedMedia, match="200 times"):
            of_frame.fit(height, width)
        return
    assert of_frame.fit(height, width) == resize_frame(height, width, factor, smallest, largest)
    assert of_clip.fit(height, width) == resize_clip(2, height, width, 2, factor, smallest, 2 * largest)
    for limits in (of_frame, of_clip):
        rows, columns = limits.fit(height, width)
        assert rows * columns <= limits.max_tokens * factor**2


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_patches_are_those_of_the_processor(adapters: dict[str, ModelAdapter], size: tuple[int, int]) -> None:
    adapter = adapters["qwen2_5_vl"]
    settings = families.preprocessing("qwen2_5_vl")
    processor = Qwen2VLImageProcessorPil(**settings, patch_size=families.PATCH_PX, merge_size=2, temporal_patch_size=2)
    image = photograph(*size)
    expected = processor(images=[image], return_tensors="pt")

    seen = {}
    hook = adapter._model.model.visual.register_forward_pre_hook(
        lambda _, args, kwargs: seen.update(patches=args[0], grid=kwargs["grid_thw"]), with_kwargs=True
    )
    adapter.encode([FrameGroup((adapter.preprocess(image),), (0,))])
    hook.remove()

    assert seen["grid"].tolist() == expected["image_grid_thw"].tolist()
    # PIL rounds to 8 bits between its two passes; everything else is the same.
    two_levels = 2 / 255 / min(settings["image_std"])
    torch.testing.assert_close(seen["patches"], expected["pixel_values"], rtol=0, atol=two_levels + 1e-6)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_llava_frame_is_the_processors_whole_picture(llava: ModelAdapter, size: tuple[int, int]) -> None:
    image = photograph(*size)
    side = {"height": 72, "width": 72}
    processor = LlavaOnevisionImageProcessorPil(
        size=side, image_grid_pinpoints=[[72, 72]], image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    # Its first tile is the whole picture squashed to the tower's square; the others are details, for pictures only.
    expected = processor(images=[image], return_tensors="pt")["pixel_values"][0, 0]
    pixels = llava.preprocess(image)
    assert pixels.dtype == torch.uint8  # what waits, and travels to a GPU, is a quarter of the normalised picture
    torch.testing.assert_close(
        llava._normalise.normalised([pixels], llava.device)[0], expected, rtol=0, atol=2 / 255 / 0.5 + 1e-6
    )


def test_pixel_limit_bounds_every_frame(directories, family: str) -> None:
    capped = models.load(directories[family], device="cpu", max_pixels_per_frame=6 * TOKEN_PX**2)
    free = models.load(directories[family], device="cpu")
    image = photograph(240, 320)
    assert capped.preprocess(image)[0].numel() <= 6 * TOKEN_PX**2 < free.preprocess(image)[0].numel()
    assert free.preprocess(image)[0].numel() <= MAX_TOKENS_PER_FRAME * TOKEN_PX**2
    assert capped.max_tokens_per_block < free.max_tokens_per_block


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_frame_becomes_more_tokens_than_promised(adapter: ModelAdapter, size: tuple[int, int]) -> None:
    frame = adapter.preprocess(photograph(*size))
    century = 100 * 365 * 86_400_000
    (block,) = adapter.encode([FrameGroup((frame, frame), (century, century + 1))])
    assert block.tokens <= adapter.max_tokens_per_block
