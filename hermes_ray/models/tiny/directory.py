"""`hermes-tiny` as a directory that transformers loads: configuration, weights, tokenizer and preprocessing."""

import json
from pathlib import Path

import torch
from transformers import LlavaOnevisionForConditionalGeneration

from hermes_ray.errors import MissingWeights
from hermes_ray.models.tiny.architecture import (
    IMAGE_MEAN,
    IMAGE_SIZE_PX,
    IMAGE_STD,
    MAX_POSITIONS,
    PATCH_SIZE_PX,
    build_model,
)
from hermes_ray.models.tiny.tokenizer import build_tokenizer

_BICUBIC = 3  # PIL's number for it, as transformers stores it
_WEIGHTS_FILE = "model.safetensors"


def weights_directory() -> Path:
    """Return the directory of the trained weights that come with the package.

    Raises:
        MissingWeights: the weights are not there (deleted, or this build leaves them out).
    """
    directory = Path(__file__).parent / "weights"
    if not (directory / _WEIGHTS_FILE).is_file():
        raise MissingWeights(
            f"the trained weights of hermes-tiny are not in {directory} ({_WEIGHTS_FILE} is missing); "
            "restore them from the release or train them as docs/research/hermes-tiny.md says"
        )
    return directory


def save_random(directory: Path, seed: int = 0) -> Path:
    """Write a complete model directory with random weights: its shapes are real, its answers mean nothing.

    Args:
        directory: created if needed; files of the same names are replaced.
        seed: the only thing that the weights depend on.
    """
    return save(build_model(seed), directory, dtype=torch.float32)


def save(model: LlavaOnevisionForConditionalGeneration, directory: Path, *, dtype: torch.dtype) -> Path:
    """Write ``model`` with its tokenizer and preprocessing configuration; the caller's model keeps its own dtype.

    Args:
        model: weights in any floating dtype.
        directory: created if needed.
        dtype: what the weights are stored in.

    Returns:
        ``directory``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    original = model.config.dtype
    model.config.dtype = dtype
    model.save_pretrained(directory, state_dict=weights)
    model.config.dtype = original
    (directory / _WEIGHTS_FILE).chmod(0o644)  # safetensors makes it private, but a package's files are for everybody
    build_tokenizer(MAX_POSITIONS).save_pretrained(directory)
    _write_preprocessing(directory)
    return directory


def _write_preprocessing(directory: Path) -> None:
    pixels = {
        "do_resize": True,
        "size": {"height": IMAGE_SIZE_PX, "width": IMAGE_SIZE_PX},
        "resample": _BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(IMAGE_MEAN),
        "image_std": list(IMAGE_STD),
        "do_convert_rgb": True,
    }
    image = pixels | {
        "image_processor_type": "LlavaOnevisionImageProcessor",
        "image_grid_pinpoints": [[IMAGE_SIZE_PX, IMAGE_SIZE_PX]],
    }
    video = pixels | {"video_processor_type": "LlavaOnevisionVideoProcessor", "do_sample_frames": False}
    processor = {
        "processor_class": "LlavaOnevisionProcessor",
        "num_image_tokens": (IMAGE_SIZE_PX // PATCH_SIZE_PX) ** 2,
        "vision_feature_select_strategy": "full",
    }
    contents = {
        "preprocessor_config.json": image,
        "video_preprocessor_config.json": video,
        "processor_config.json": processor,
    }
    for name, content in contents.items():
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
