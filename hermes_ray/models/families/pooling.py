"""LLaVA-OneVision's pooling of a frame's patches (Li et al., arXiv 2408.03326) as a product with a fixed matrix."""

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def pooling_matrix(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Bilinear interpolation of a square of patches to half its side, rounded up.

    Every row sums to one, so the pooling commutes with whatever is affine in a patch's features.

    Args:
        side: patches along one side.
        dtype: of the features; the weights are computed in float32.
        device: of the features.

    Returns:
        ``[pooled patches, patches]``, both row by row.
    """
    patches, half = side * side, ceil(side / 2)
    one_hot = torch.eye(patches).view(patches, 1, side, side)
    pooled = interpolate(one_hot, size=(half, half), mode="bilinear")
    return pooled.view(patches, half * half).T.to(device=device, dtype=dtype).contiguous()
