"""Bringing what was made on the CPU to the device, without waiting for the device."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on ``device``; the copy joins the device's queue of work.

    A copy to a GPU from ordinary memory waits until the GPU has done all that was asked of it before. From pinned
    memory it does not; torch's allocator keeps that memory until the copy is made.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
