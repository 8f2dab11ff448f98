"""What travels between CPU and device, so that the CPU waits for the device only where it means to."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on ``device``; the copy joins the device's queue of work.

    A copy to a GPU from ordinary memory waits until the GPU has done all that was asked of it before. From pinned
    memory it does not; torch's allocator keeps that memory until the copy is made.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def bring(tensor: Tensor, into: Tensor) -> None:
    """Copy a CPU tensor to a place on a device, as :func:`to_device` does."""
    into.copy_(tensor.pin_memory() if into.device.type == "cuda" else tensor, non_blocking=True)


def read_back(tensor: Tensor) -> Tensor:
    """A small tensor on the CPU, once the device has come to it; later work is not waited for.

    Waits by an event, which torch's ``set_sync_debug_mode`` lets pass: what it still finds was not meant.
    """
    if tensor.device.type != "cuda":
        return tensor.cpu()
    landed = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    landed.copy_(tensor, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record(torch.cuda.current_stream(tensor.device))
    arrived.synchronize()
    return landed
