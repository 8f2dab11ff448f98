"""What one question's failure may end: the question, unless the device itself is unusable."""

import torch

_DEVICE_ERRORS: tuple[type[BaseException], ...] = tuple(filter(None, (getattr(torch, "AcceleratorError", None),)))


def is_devices_end(error: Exception) -> bool:
    """Whether nothing can be computed on the device any more. After a CUDA error every further call fails as well."""
    return isinstance(error, _DEVICE_ERRORS) or "CUDA error" in str(error)
