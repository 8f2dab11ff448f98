"""Load a model by directory, hub name or bundled name."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from transformers import AutoTokenizer

from hermes_ray.errors import ConfigError, MissingWeights
from hermes_ray.models import tiny
from hermes_ray.models.adapter import GuidanceTexts, ModelAdapter
from hermes_ray.models.families.registry import family_of
from hermes_ray.models.loading.progress import Report, download_bars, reading_weights
from hermes_ray.models.parts.vocabulary import GENERAL_EXAMPLES

TINY = "hermes-tiny"
TINY_RANDOM = "hermes-tiny-random"

_TINY_WORDS: Any = {
    "guidance": GuidanceTexts(present="what is in view now ?", narrative="what happened ?"),
    "examples": tiny.EXAMPLES,
}
_FILES_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


@dataclass(frozen=True, slots=True)
class _Target:
    device: torch.device
    dtype: torch.dtype
    max_pixels_per_frame: int | None
    on_progress: Report


def load(
    name_or_path: str | Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    max_pixels_per_frame: int | None = None,
    on_progress: Report = lambda _: None,
) -> ModelAdapter:
    """Load a model and everything it needs, ready to run.

    Args:
        name_or_path: a directory as ``save_pretrained`` writes it, a hub name (``org/model``), or a bundled name:
            ``hermes-tiny``, or ``hermes-tiny-random``, which has the same shape and random weights.
        device: a torch device, or ``auto``: the first GPU if there is one, else the CPU.
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto``: bfloat16 on a GPU, float32 on the CPU.
        revision: hub branch, tag or commit.
        max_pixels_per_frame: for families that keep a frame's shape (Qwen), the most pixels that they keep of it;
            larger frames are shrunk. ``None`` leaves it to the family.
        on_progress: is told what takes time, in a few words.

    Raises:
        MissingWeights: nothing complete is found at that name.
        UnsupportedModel: the family has no adapter.
        ConfigError: no such device or dtype, or a pixel limit for a family whose frames are all of one size.
    """
    place = resolve_device(device)
    target = _Target(place, resolve_dtype(dtype, place), max_pixels_per_frame, on_progress)
    name = str(name_or_path)
    if name == TINY_RANDOM:
        with TemporaryDirectory(prefix="hermes-tiny-") as directory:
            path = tiny.save_random(Path(directory))
            return _load_directory(name, path, target, **_TINY_WORDS, is_meaningful=False)
    if name == TINY:
        return _load_directory(name, tiny.weights_directory(), target, **_TINY_WORDS)
    return _load_directory(name, find_directory(name, revision, on_progress), target)


def resolve_device(device: str) -> torch.device:
    """A torch device from its setting.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"model.device: {device!r} cannot be used here ({error}); try auto or cpu") from error
    return chosen


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """A torch dtype from its setting.

    Raises:
        ConfigError: not a dtype that models run in.
    """
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise ConfigError(f"model.dtype: {dtype!r} is none of auto, {', '.join(known)}")
    return known[dtype]


def find_directory(name: str, revision: str | None, on_progress: Report = lambda _: None) -> Path:
    """The local directory of a model: itself, or the hub's copy, downloaded if needed.

    Raises:
        MissingWeights: there is no such directory, and the hub cannot deliver it.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    try:
        bars = download_bars(on_progress)
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES_WANTED, tqdm_class=bars))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise MissingWeights(
            f"model {name!r} is neither a directory here nor to be had from the hub ({type(error).__name__}); "
            f"give a directory that holds config.json and *.safetensors, or use {TINY_RANDOM!r}"
        ) from error


def _load_directory(
    name: str,
    directory: Path,
    target: _Target,
    *,
    guidance: GuidanceTexts | None = None,
    examples: tuple[str, ...] = GENERAL_EXAMPLES,
    is_meaningful: bool = True,
) -> ModelAdapter:
    family, _ = family_of(directory)
    options = family.options(name, target.max_pixels_per_frame)
    try:
        with reading_weights(target.on_progress):
            model, report = family.model_class.from_pretrained(
                directory, dtype=target.dtype, local_files_only=True, output_loading_info=True
            )
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingWeights(f"{directory} is not a complete model directory: {error}") from error
    if report["missing_keys"]:
        # transformers would fill these with random numbers and only warn.
        some = ", ".join(sorted(report["missing_keys"])[:3])
        raise MissingWeights(f"{directory} lacks {len(report['missing_keys'])} weights of the model, such as {some}")
    model = model.to(target.device).eval().requires_grad_(False)
    return family.adapter(
        name,
        model,
        tokenizer,
        directory,
        guidance=guidance or GuidanceTexts(),
        examples=examples,
        is_meaningful=is_meaningful,
        **options,
    )
