"""What a model's key projection adds to every key, and that the policy which has to take it away is told."""

import torch

from hermes_ray import models
from hermes_ray.config import MemorySettings
from hermes_ray.engine.encoding.writing.writer import MemoryWriter
from hermes_ray.memory.policies.streammem import StreamMem


def test_streammem_is_told_what_the_model_makes_of_nothing() -> None:
    adapter = models.load("hermes-tiny", device="cpu", dtype="float32")
    shape = adapter.decoder.shape
    nothing = torch.zeros((1, 1, shape.hidden))
    with torch.inference_mode():
        expected = torch.stack([adapter.decoder.project(layer, nothing)[1][0, :, 0] for layer in range(shape.layers)])
    writer = MemoryWriter(adapter, MemorySettings(policy="streammem", budget_tokens=100, slots=1), text_tokens=64)
    assert isinstance(writer.policy, StreamMem)
    assert writer.policy.key_bias is not None
    assert expected.norm(dim=-1).min() > 0.5
    torch.testing.assert_close(writer.policy.key_bias, expected)
