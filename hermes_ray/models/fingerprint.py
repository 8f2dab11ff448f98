"""Telling models apart, so that no memory goes on under a model that did not make it."""

import hashlib

import torch

from hermes_ray.models.parts.decoder import Decoder

_SAMPLED = 64
"""Numbers read of each weight: enough to tell fine-tunes apart, little enough to cost nothing."""


@torch.inference_mode()
def fingerprint(decoder: Decoder) -> str:
    """A short name of a decoder's shape, weights and dtype; the same in every process that loads the same model.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(f"{decoder.shape} {decoder.dtype}".encode())
    for name, weight in decoder.named_parameters():
        sample = weight.detach().flatten()[:_SAMPLED].float().cpu().numpy()
        digest.update(name.encode() + sample.tobytes())
    return digest.hexdigest()[:32]
