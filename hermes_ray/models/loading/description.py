"""A model's description: everything but its weights, from this machine or the hub."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from hermes_ray.errors import MissingWeights
from hermes_ray.models import tiny
from hermes_ray.models.loading.loading import TINY, TINY_RANDOM
from hermes_ray.models.loading.weight_files import WeightFiles, look_at_weights

_DESCRIPTION = ["*.json", "*.jinja", "*.txt", "*.model"]
_WEIGHTS = "*.safetensors"
_BYTES_PER_PARAMETER = 2
"""In which published models of these families are stored: bfloat16 or float16."""
_HUB_ERRORS = (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)


@dataclass(frozen=True, slots=True)
class Description:
    """Where a model is described, and how large it is.

    Attributes:
        directory: with configuration, tokenizer and preprocessing.
        weights: of its files.
        on_this_machine: whether the weights are here; else the hub has them.
    """

    directory: Path
    weights: WeightFiles
    on_this_machine: bool


def describe(name: str, revision: str | None = None) -> Description:
    """Find a model; of one at the hub only the description is fetched.

    Args:
        name: a directory, a hub name, or a bundled name.
        revision: hub branch, tag or commit.

    Raises:
        MissingWeights: it is nowhere, or its files here are not complete.
    """
    if name in (TINY, TINY_RANDOM):
        return _on_this_machine(tiny.weights_directory())
    if (directory := Path(name).expanduser()).is_dir():
        return _on_this_machine(directory)
    try:
        cached = snapshot_download(
            name, revision=revision, allow_patterns=[*_DESCRIPTION, _WEIGHTS], local_files_only=True
        )
        return _on_this_machine(Path(cached))
    except (*_HUB_ERRORS, MissingWeights):
        return _at_the_hub(name, revision)


def _on_this_machine(directory: Path) -> Description:
    return Description(directory, look_at_weights(directory), on_this_machine=True)


def _at_the_hub(name: str, revision: str | None) -> Description:
    try:
        directory = snapshot_download(name, revision=revision, allow_patterns=_DESCRIPTION)
        weights = snapshot_download(name, revision=revision, allow_patterns=[_WEIGHTS], dry_run=True)
    except _HUB_ERRORS as error:
        raise MissingWeights(
            f"model {name!r} is neither a directory here nor to be had from the hub ({type(error).__name__}); give a "
            f"directory that holds config.json and *.safetensors, or a name such as Qwen/Qwen2.5-VL-3B-Instruct"
        ) from error
    sizes = [file.file_size or 0 for file in weights]
    if not sizes:
        raise MissingWeights(f"model {name!r} has no *.safetensors at the hub")
    parameters = sum(sizes) // _BYTES_PER_PARAMETER
    return Description(Path(directory), WeightFiles(len(sizes), sum(sizes), parameters), on_this_machine=False)
