"""The weights of a model directory, looked at without reading them."""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

from hermes_ray.errors import MissingWeights

_INDEX = "model.safetensors.index.json"
_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 100_000_000  # the format's own limit


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """What the files hold.

    Attributes:
        files: how many there are.
        size_bytes: of all of them.
        parameters: numbers in all tensors together.
    """

    files: int
    size_bytes: int
    parameters: int


def look_at_weights(directory: Path) -> WeightFiles:
    """Check that all files of a model are there, each as long as it says itself (safetensors format, section Format).

    Raises:
        MissingWeights: there are none, one that the index names is missing, or one was cut off or is something else.
    """
    names = _named_by_index(directory) or sorted(file.name for file in directory.glob("*.safetensors"))
    if not names:
        others = ", ".join(sorted(file.name for file in directory.glob("*.bin"))[:3])
        hint = f"; {others} is of another format, ask its publisher for safetensors" if others else ""
        raise MissingWeights(f"{directory} holds no *.safetensors{hint}")
    if missing := [name for name in names if not (directory / name).is_file()]:
        raise MissingWeights(
            f"{directory} lacks {len(missing)} of {len(names)} files of weights, such as {missing[0]}: fetch them again"
        )
    parameters = sum(_parameters(directory / name) for name in names)
    return WeightFiles(len(names), sum((directory / name).stat().st_size for name in names), parameters)


def _named_by_index(directory: Path) -> list[str]:
    index = directory / _INDEX
    if not index.is_file():
        return []
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise MissingWeights(f"{index} is no index of weights: fetch it again") from error


def _parameters(file: Path) -> int:
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
            if not 0 < length <= min(_MOST_HEADER_BYTES, file.stat().st_size):
                raise MissingWeights(f"{file} is no safetensors file: fetch it again")
            header = json.loads(opened.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        promised = _LENGTH_BYTES + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        parameters = sum(prod(tensor["shape"]) for tensor in tensors)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise MissingWeights(f"{file} is no safetensors file: fetch it again") from error
    if file.stat().st_size != promised:
        raise MissingWeights(
            f"{file} has {file.stat().st_size} bytes and not {promised}: it was cut off, fetch it again"
        )
    return parameters
