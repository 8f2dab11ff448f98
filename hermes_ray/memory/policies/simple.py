"""Policies that look at no attention: the baselines that any other policy has to beat."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hermes_ray.memory.policies.base import Probe, best
from hermes_ray.memory.transfer import read_back
from hermes_ray.memory.view import MemoryView

# The plastic number's powers give the evenest known two-dimensional additive sequence (Roberts' R2 sequence).
_FRAME_STEP = 0.7548776662466927
_PATCH_STEP = 0.5698402909980532


@dataclass(frozen=True, slots=True)
class Full:
    """Never evicts. For tests and short clips: the engine refuses frames once the slot is full."""

    name: str = "full"
    probe: Probe = Probe.NONE
    joint: bool = True

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Return the memory as it is, whatever ``keep`` says."""
        return view


@dataclass(frozen=True, slots=True)
class RecentOnly:
    """The last ``frames`` frames and nothing else (SimpleStream, arXiv 2604.02317).

    Between compactions the memory also holds the frames that came since; give it a budget of ``frames`` frames
    to bound it strictly.
    """

    frames: int
    name: str = "recent_only"
    probe: Probe = Probe.NONE
    joint: bool = False

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep the last frames; of frames that exceed ``keep`` by themselves, the newest tokens.

        How many tokens the last frames have is read back from the device.
        """
        if view.tokens == 0:
            return view
        # Every layer holds the same tokens under this policy, so the first one speaks for all.
        frames = view.frames[0]
        recent = int(read_back((frames > frames[-1] - self.frames).sum()))
        return view.newest(min(recent, keep))


@dataclass(frozen=True, slots=True)
class SinkWindow:
    """The prefix as attention sink, and the newest tokens (StreamingVLM, arXiv 2510.09608)."""

    name: str = "sink_window"
    probe: Probe = Probe.NONE
    joint: bool = True

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep the newest ``keep`` tokens."""
        return view.newest(keep)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Tokens spread evenly over the whole stream and over the frame: every k-th, with k growing as the stream does.

    A token's rank is fixed for ever by its identity, a point of a low-discrepancy sequence. Taking every k-th of
    the *held* tokens instead would thin the past again at each compaction, geometrically.
    """

    name: str = "uniform"
    probe: Probe = Probe.NONE
    joint: bool = True

    def compact(self, view: MemoryView, attention: Tensor | None, keep: int, streams: int = 1) -> MemoryView:
        """Keep the ``keep`` tokens whose identities rank highest."""
        if view.tokens <= keep:
            return view
        ranks = torch.frac(view.frames.double() * _FRAME_STEP + view.patches.double() * _PATCH_STEP)
        return view.gather(best(ranks, keep))
