"""The model families that have an adapter, by transformers' ``model_type``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig

from hermes_ray.errors import ConfigError, MissingWeights, UnsupportedModel
from hermes_ray.models.adapter import ModelAdapter
from hermes_ray.models.families.llava_onevision import LlavaOnevisionAdapter
from hermes_ray.models.families.qwen2_5_vl import Qwen25VLAdapter
from hermes_ray.models.families.qwen3_vl import Qwen3VLAdapter


@dataclass(frozen=True, slots=True)
class Family:
    """A family.

    Attributes:
        architecture: name of transformers' class.
        adapter: makes its adapter.
        keeps_shape: frames keep their shape, and a limit of pixels may be set.
    """

    architecture: str
    adapter: Callable[..., ModelAdapter]
    keeps_shape: bool

    @property
    def model_class(self) -> Any:
        """The class of transformers, which loads its modules at the first look: a process needs one family's."""
        return getattr(transformers, self.architecture)

    def options(self, name: str, max_pixels_per_frame: int | None) -> dict[str, Any]:
        """What the adapter takes beside what all take.

        Raises:
            ConfigError: a pixel limit for frames that are all of one size.
        """
        if self.keeps_shape:
            return {"max_pixels_per_frame": max_pixels_per_frame}
        if max_pixels_per_frame is not None:
            raise ConfigError(
                f"model.max_pixels_per_frame: {name} resizes every frame to one size, so it has no such limit; unset it"
            )
        return {}


FAMILIES = {
    "llava_onevision": Family("LlavaOnevisionForConditionalGeneration", LlavaOnevisionAdapter, keeps_shape=False),
    "qwen2_5_vl": Family("Qwen2_5_VLForConditionalGeneration", Qwen25VLAdapter, keeps_shape=True),
    "qwen3_vl": Family("Qwen3VLForConditionalGeneration", Qwen3VLAdapter, keeps_shape=True),
}


def family_of(directory: Path) -> tuple[Family, Any]:
    """The family of a model directory, and the model's configuration.

    Raises:
        MissingWeights: there is no configuration.
        UnsupportedModel: the family has no adapter.
    """
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise MissingWeights(f"{directory} holds no model configuration that transformers reads: {error}") from error
    if config.model_type not in FAMILIES:
        raise UnsupportedModel(
            f"{directory} is a {config.model_type!r} model; supported families are {', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[config.model_type], config
