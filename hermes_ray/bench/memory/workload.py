"""The two models that the performance benchmark runs on, and how long it runs on each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray import models
from hermes_ray.bench.features import FeatureBank, WithoutVision
from hermes_ray.bench.llava_shapes import language_05b
from hermes_ray.bench.memory.random_llava import RandomLlava
from hermes_ray.config import MemorySettings
from hermes_ray.models import ModelAdapter

QUESTION = "what is happening in front of the camera right now ?"
_TINY_FRAMES_IN_BANK = 64


@dataclass(frozen=True, slots=True)
class Workload:
    """A model with its features computed, and the memory it is given.

    Attributes:
        adapter: frames are tickets.
        bank: their features.
        budget: visual tokens per layer.
    """

    adapter: ModelAdapter
    bank: FeatureBank
    budget: int

    @property
    def name(self) -> str:
        """The model's name."""
        return self.adapter.name

    def memory(self, **settings: object) -> MemorySettings:
        """Memory settings: the default policy and this workload's budget, but for what is given."""
        return MemorySettings.model_validate({"budget_tokens": self.budget, "slots": 1, **settings})

    def question(self) -> Tensor:
        """The question that is asked throughout, ``[tokens, hidden]``."""
        with torch.inference_mode():
            return self.adapter.question(QUESTION)


def small_workload() -> Workload:
    """`hermes-tiny`'s shape with random weights, 9 tokens per frame; the memory holds 80 frames' worth."""
    model = models.load(models.TINY_RANDOM, device="cpu", dtype="float32")
    generator = torch.Generator().manual_seed(1)
    size = (_TINY_FRAMES_IN_BANK, model.max_tokens_per_block, model.decoder.shape.hidden)
    bank = FeatureBank(torch.randn(size, generator=generator))
    return Workload(WithoutVision(model, bank), bank, budget=720)


def large_workload(*, layers: int = 24, vocabulary: int = 152_000, budget: int = 4096) -> Workload:
    """LLaVA-OneVision-0.5B's shape with random weights, 196 tokens per frame, and the paper's smaller budget."""
    model = RandomLlava(language_05b(layers=layers, vocabulary=vocabulary))
    return Workload(model, model.bank, budget)
