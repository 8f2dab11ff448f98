"""From attention per frame to the moments that an answer rests on."""

import torch
from torch import Tensor

from hermes_ray.engine.contracts import FrameEvidence

_MOST = 8
_REACH = 2
"""Frames on either side that belong to the same moment: they look alike, and name nothing new."""


def moments(frames: Tensor, weights: Tensor) -> tuple[FrameEvidence, ...]:
    """The heaviest frames, none of them beside another.

    The heaviest frame comes first and takes the weight of its neighbours, then the heaviest of those left, and so on.
    Else eight frames of one scene would often be all that is named.

    Args:
        frames: ``[frames]`` integers, the frames' numbers.
        weights: ``[frames]`` float32, 0 for what is not to be named; on the CPU, as ``frames`` are.

    Returns:
        At most eight, the heaviest moment first, each under its heaviest frame.
    """
    left, found = weights.clone(), list[FrameEvidence]()
    while len(found) < _MOST and left.numel() and float(left.max()) > 0:
        frame = int(frames[left.argmax()])
        same = (frames - frame).abs() <= _REACH
        found.append(FrameEvidence(frame, float(left[same].sum(dtype=torch.float64))))
        left[same] = 0
    return tuple(sorted(found, key=lambda named: named.weight, reverse=True))
