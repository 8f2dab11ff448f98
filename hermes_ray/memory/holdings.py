"""What a memory still holds of each frame, tier by tier."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from hermes_ray.memory.tiers import Tier, TierLayout


@dataclass(frozen=True, slots=True)
class TierHoldings:
    """What the layers of one tier hold.

    Attributes:
        layers: those layers.
        tokens_per_frame: by frame number, in order: tokens of that frame, averaged over the tier's layers. A frame
            that no layer holds is absent.
        summarised: tokens of the stream that live on in summary tokens only, averaged over the tier's layers.
    """

    layers: range
    tokens_per_frame: Mapping[int, float]
    summarised: float


def holdings(frames: torch.Tensor, counts: torch.Tensor, tiers: TierLayout) -> dict[Tier, TierHoldings]:
    """Count the tokens of each frame that each tier still holds; a tier without layers is absent.

    Args:
        frames: [layers, N] int32, of a :class:`~hermes_ray.memory.view.MemoryView`; a device is waited for.
        counts: [layers, N] int32, of the same.
        tiers: of the decoder.
    """
    ranges = {
        Tier.SENSORY: range(tiers.working_from),
        Tier.WORKING: range(tiers.working_from, tiers.long_term_from),
        Tier.LONG_TERM: range(tiers.long_term_from, tiers.layers),
    }
    held = frames.cpu(), counts.cpu()
    return {tier: _held_by(*held, layers) for tier, layers in ranges.items() if layers}


def _held_by(frames: torch.Tensor, counts: torch.Tensor, layers: range) -> TierHoldings:
    own, merged = frames[layers.start : layers.stop], counts[layers.start : layers.stop]
    numbers, times = own[own >= 0].unique(return_counts=True)
    return TierHoldings(
        layers=layers,
        tokens_per_frame={int(n): int(t) / len(layers) for n, t in zip(numbers, times, strict=True)},
        summarised=int(merged[own < 0].sum(dtype=torch.int64)) / len(layers),
    )
