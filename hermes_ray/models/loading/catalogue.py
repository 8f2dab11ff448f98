"""Published models of the supported families, by the figures of their own configurations."""

from dataclasses import dataclass

import torch

from hermes_ray.memory.slab import SlabShape

MEASURED_FRAMES_PER_S = 92.0
"""Of LLaVA-OneVision 7B on one H200 in bfloat16, 196 tokens a frame (benchmarks/results/engine-7b.json)."""
_MEASURED_WORK = 8.0e9 * 196


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model that anybody can fetch.

    Attributes:
        name: at the hub.
        family: transformers' ``model_type``.
        parameters: about.
        layers: of the decoder.
        kv_heads: of each layer.
        head_dim: numbers of a key.
        axes: numbers of a position.
        tokens_per_frame: of 640 x 360 pixels; where two frames become one block, half of that.
    """

    name: str
    family: str
    parameters: float
    layers: int
    kv_heads: int
    head_dim: int
    axes: int
    tokens_per_frame: int

    @property
    def weights_bytes(self) -> int:
        """In bfloat16."""
        return round(2 * self.parameters)

    def stream_bytes(self, budget_tokens: int) -> int:
        """Device memory of one stream in bfloat16: budget, and 256 tokens for prefix and newest frame, bytes."""
        shape = SlabShape(self.layers, 1, self.kv_heads, budget_tokens + 256, self.head_dim, self.axes)
        return shape.nbytes(torch.bfloat16)

    def frames_per_s(self) -> float:
        """About how many frames an H200 encodes in a second: the work of a frame is parameters x tokens."""
        return MEASURED_FRAMES_PER_S * _MEASURED_WORK / (self.parameters * self.tokens_per_frame)

    def room(self, gpu_bytes: float, budget_tokens: int, questions: int) -> int:
        """Streams whose memories a GPU has room for, beside the weights, so many questions and a tenth for the rest."""
        stream = self.stream_bytes(budget_tokens)
        return max(0, int((0.9 * gpu_bytes - self.weights_bytes) // stream) - questions)


PUBLISHED = (
    PublishedModel("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava_onevision", 0.9e9, 24, 2, 64, 1, 196),
    PublishedModel("llava-hf/llava-onevision-qwen2-7b-ov-hf", "llava_onevision", 8.0e9, 28, 4, 128, 1, 196),
    PublishedModel("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2_5_vl", 3.8e9, 36, 2, 128, 3, 150),
    PublishedModel("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_5_vl", 8.3e9, 28, 4, 128, 3, 150),
    PublishedModel("Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl", 2.1e9, 28, 8, 128, 3, 115),
    PublishedModel("Qwen/Qwen3-VL-4B-Instruct", "qwen3_vl", 4.4e9, 36, 8, 128, 3, 115),
    PublishedModel("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl", 8.8e9, 36, 8, 128, 3, 115),
)
