"""A video and a question as one sequence in the families' published formats, for transformers' own forward."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray.models import ModelAdapter
from tests.unit.models.families import PATCH_PX, TOKENS_PER_SECOND, VOCABULARY, preprocessing

QUESTION = "what is in view now ?"


@dataclass
class Clip:
    """Frames at a steady rate.

    Attributes:
        frames: ``[height, width, 3]`` uint8 each, all of one size.
        interval_ms: between two frames.
    """

    frames: list[NDArray[np.uint8]]
    interval_ms: int
    start_ms: int = 1_700_000_000_000
    ts_ms: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ts_ms = [self.start_ms + self.interval_ms * index for index in range(len(self.frames))]


def random_clip(count: int, height: int, width: int, interval_ms: int = 500, seed: int = 0) -> Clip:
    """Distinct random pictures."""
    pictures = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return Clip(list(pictures), interval_ms)


def model_inputs(adapter: ModelAdapter, clip: Clip) -> dict[str, Tensor]:
    """What the family's processor hands to its model."""
    settings = preprocessing(adapter.family)
    mean, std = (torch.tensor(settings[key])[:, None, None] for key in ("image_mean", "image_std"))
    pixels = [(adapter.preprocess(frame).float() / 255 - mean) / std for frame in clip.frames]
    pixels += [pixels[-1]] * (len(pixels) % 2)
    _, height, width = pixels[0].shape
    rows, columns = height // PATCH_PX, width // PATCH_PX
    text = adapter.tokenizer.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    pads = "<|video_pad|>" * (rows * columns // 4)
    video = _stamped(clip, pads) if adapter.family == "qwen3_vl" else pads * (len(pixels) // 2)
    ids = adapter.tokenizer(text.replace("<|video_pad|>", video), add_special_tokens=False, return_tensors="pt")
    ids = ids["input_ids"]
    inputs = {
        "input_ids": ids,
        "mm_token_type_ids": 2 * (ids == VOCABULARY["<|video_pad|>"]).int(),
        "pixel_values_videos": torch.cat([_patches(*pair) for pair in zip(pixels[::2], pixels[1::2], strict=True)]),
        "video_grid_thw": torch.tensor([[len(pixels) // 2, rows, columns]]),
    }
    if adapter.family == "qwen2_5_vl":
        inputs["second_per_grid_ts"] = torch.tensor([2 * clip.interval_ms / 1000])
    return inputs


def trained_positions(inputs: dict[str, Tensor]) -> Tensor:
    """Positions of a Qwen2.5-VL sequence as the model was trained: text goes on behind the largest of the three axes.

    transformers 5 lets text begin behind rows and columns alone, and so inside the time of any longer video.
    """
    (pairs, rows, columns), seconds = inputs["video_grid_thw"][0].tolist(), float(inputs["second_per_grid_ts"][0])
    is_video = inputs["input_ids"][0] == VOCABULARY["<|video_pad|>"]
    first = int(is_video.int().argmax())
    positions = [[index] * 3 for index in range(first)]
    for pair in range(pairs):
        time = int(pair * seconds * TOKENS_PER_SECOND)
        positions += [
            [first + time, first + row, first + column] for row in range(rows // 2) for column in range(columns // 2)
        ]
    behind = max(max(position) for position in positions) + 1
    positions += [[behind + index] * 3 for index in range(len(is_video) - len(positions))]
    return torch.tensor(positions).T[:, None]


def _stamped(clip: Clip, pads: str) -> str:
    elapsed = [(ts - clip.start_ms) / 1000 for ts in clip.ts_ms]
    elapsed += [elapsed[-1]] * (len(elapsed) % 2)
    return "".join(
        f"<{(first + second) / 2:.1f} seconds><|vision_start|>{pads}<|vision_end|>"
        for first, second in zip(elapsed[::2], elapsed[1::2], strict=True)
    )


def _patches(first: Tensor, second: Tensor) -> Tensor:
    """Patches of a pair, one by one: 2x2 neighbours together, in each its channels, then its two frames."""
    _, height, width = first.shape
    patches = []
    for top in range(0, height, 2 * PATCH_PX):
        for left in range(0, width, 2 * PATCH_PX):
            for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
                rows = slice(top + y * PATCH_PX, top + (y + 1) * PATCH_PX)
                columns = slice(left + x * PATCH_PX, left + (x + 1) * PATCH_PX)
                patches.append(torch.stack((first[:, rows, columns], second[:, rows, columns]), dim=1).flatten())
    return torch.stack(patches)


def chunked(count: int, sizes: Sequence[int]) -> list[slice]:
    """Consecutive slices of the given sizes that cover ``count``."""
    assert sum(sizes) == count
    stops = np.cumsum(sizes)
    return [slice(int(stop) - size, int(stop)) for stop, size in zip(stops, sizes, strict=True)]
