"""The model of one run with what it is shown and asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hermes_ray import models
from hermes_ray.bench import llava_shapes
from hermes_ray.bench.engine.plan import Shape
from hermes_ray.bench.engine.random_weights import random_llava_onevision
from hermes_ray.bench.features import FeatureBank, WithoutVision, ticket
from hermes_ray.models import ModelAdapter
from hermes_ray.models.loading.loading import resolve_device, resolve_dtype
from hermes_ray.models.tiny.architecture import IMAGE_SIZE_PX
from hermes_ray.video.world import Renderer, World

_QUESTION = "what is happening in front of the camera right now ?"
_LONG_QUESTION = " ".join([_QUESTION] * 4)
"""48 tokens with the template around it, as a sentence or two have under a large model's tokenizer."""
_PICTURES = 16
_PICTURE_S = 2.0
_SIDE_PX = 384
_TINY_FRAMES = 80
_OTHER_BUDGET = 6000


_BUDGETS: Mapping[Shape, int] = {Shape.TINY: 720, Shape.HALF: 4096, Shape.SEVEN: 6000}
_NAMES: Mapping[Shape, str] = {
    Shape.TINY: "hermes-tiny-shape",
    Shape.HALF: "llava-onevision-0.5b-shape",
    Shape.SEVEN: "llava-onevision-7b-shape",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, its memory's budget, pictures and a question.

    Attributes:
        adapter: the model.
        shape: of random weights; ``None`` for a real model.
        pictures: what cameras show, round and round; of the size that the tower takes, so that resizing is not timed.
        question: that is asked throughout.
        budget: visual tokens per layer.
        vision: whether frames go through the vision tower; else their features are made before the clock starts.
    """

    adapter: ModelAdapter
    shape: Shape | None
    pictures: Sequence[NDArray[np.uint8]]
    question: str
    budget: int
    vision: bool

    @property
    def device(self) -> torch.device:
        """Where everything runs."""
        return self.adapter.device

    def embedded_question(self) -> Tensor:
        """The question within its template, ``[tokens, hidden]``."""
        with torch.inference_mode():
            return self.adapter.question(self.question)

    def wait(self) -> None:
        """Until the device has done all that was asked of it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        weights = [*self.adapter.decoder.named_parameters(), *self.adapter.decoder.lm_head.named_parameters()]
        return {
            "name": self.adapter.name,
            "shape": self.shape,
            "device": self.device.type,
            "device_name": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None,
            "dtype": str(self.adapter.dtype).removeprefix("torch."),
            "decoder_parameters": sum(count for count in {id(w): w.numel() for _, w in weights}.values()),
            "tokens_per_frame": self.adapter.max_tokens_per_block,
            "question_tokens": self.embedded_question().shape[0],
            "budget_tokens": self.budget,
            "vision": self.vision,
        }


def random_subject(shape: Shape, *, device: str, dtype: str, seed: int, budget: int | None = None) -> Subject:
    """Random weights of a shape.

    The towers of the large shapes run on a GPU only: on a CPU one frame takes them several seconds.

    Raises:
        ConfigError: no such device or dtype.
    """
    place = resolve_device(device)
    kind = resolve_dtype(dtype, place)
    vision = shape is Shape.TINY or place.type != "cpu"
    language = {
        Shape.TINY: lambda: None,
        Shape.HALF: llava_shapes.language_05b,
        Shape.SEVEN: llava_shapes.language_7b,
    }[shape]()
    tower = llava_shapes.vision() if vision and shape is not Shape.TINY else None
    adapter = random_llava_onevision(_NAMES[shape], language, tower, device=place, dtype=kind, seed=seed)
    most = budget or _BUDGETS[shape]
    question = _QUESTION if shape is Shape.TINY else _LONG_QUESTION
    if vision:
        pictures = _pictures(seed, IMAGE_SIZE_PX if shape is Shape.TINY else _SIDE_PX)
        return Subject(adapter, shape, pictures, question, most, vision)
    size = (_PICTURES, llava_shapes.TOKENS_PER_FRAME, adapter.decoder.shape.hidden)
    features = torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 0.02
    blind = WithoutVision(adapter, FeatureBank(features.to(place, kind)))
    return Subject(blind, shape, [ticket(n) for n in range(_PICTURES)], question, most, vision)


def real_subject(name: str, *, device: str, dtype: str, seed: int, budget: int | None = None) -> Subject:
    """A model by directory, hub name or bundled name.

    Raises:
        MissingWeights, UnsupportedModel: as :func:`hermes_ray.models.load`.
        ConfigError: no such device or dtype.
    """
    adapter = models.load(name, device=device, dtype=dtype)
    most = budget or min(_OTHER_BUDGET, _TINY_FRAMES * adapter.max_tokens_per_block)
    return Subject(adapter, None, _pictures(seed, _SIDE_PX), _QUESTION, most, vision=True)


def _pictures(seed: int, side: int) -> list[NDArray[np.uint8]]:
    renderer = Renderer(World(seed), side, side)
    return [renderer.render(number * _PICTURE_S) for number in range(_PICTURES)]
