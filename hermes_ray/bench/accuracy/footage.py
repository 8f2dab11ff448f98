"""What evaluation streams look like, how much happens in them, and which of their frames and tokens are encoded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hermes_ray.engine.encoding.waiting.change import ChangeDetector, small_picture
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve, SiftedGroup
from hermes_ray.engine.residency.reference import Reference
from hermes_ray.models import FrameGroup, ModelAdapter
from hermes_ray.video.world import Condition, Renderer, Traffic, World

TrafficName = Literal["quiet", "busy"]
Unchanged = Literal["keep", "skip"]
UnchangedPatches = Literal["keep", "drop"]

TRAFFIC: dict[TrafficName, Traffic] = {
    "quiet": Traffic(mean_gap_s=40.0, quiet_share=0.1, overlap_share=0.3),
    "busy": Traffic(mean_gap_s=8.0, quiet_share=0.0, overlap_share=0.3),
}
"""``quiet``: about one thing a minute, so that the history stays short enough to be asked about, and most of the stream
shows nothing. ``busy``: about four a minute, and something to be seen for three tenths of the time."""


@dataclass(frozen=True, slots=True)
class Footage:
    """What is filmed, and what of it is encoded.

    Attributes:
        traffic: how much happens.
        condition: how the camera sees it: a name of :data:`~hermes_ray.video.world.CONDITIONS`, or several with ``+``.
        unchanged: what becomes of frames that show nothing new, as ``video.unchanged`` has it.
        max_gap_s: ``video.max_gap_s``.
        patches: what becomes of tokens that show nothing new, as ``memory.unchanged_patches`` has it.
    """

    traffic: TrafficName = "quiet"
    condition: str = "clean"
    unchanged: Unchanged = "keep"
    max_gap_s: float = 10.0
    patches: UnchangedPatches = "keep"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; what is older than ``patches`` does not say that all are encoded."""
        return {name: value for name, value in asdict(self).items() if name != "patches" or value != "keep"}

    def world(self, seed: int) -> World:
        """The world of a seed."""
        return World(seed, TRAFFIC[self.traffic])

    def film(self, seed: int, times_s: Sequence[float], side_px: int) -> list[NDArray[np.uint8]]:
        """Render a world at some times: ``[side_px, side_px, 3]`` uint8 each."""
        renderer = Renderer(self.world(seed), side_px, side_px, Condition.named(self.condition))
        return [renderer.render(t_s) for t_s in times_s]

    def encoded(self, film: Sequence[NDArray[np.uint8]], times_s: Sequence[float]) -> list[int]:
        """Numbers of the frames that the engine would encode."""
        if self.unchanged == "keep":
            return list(range(len(film)))
        detector, reference, chosen = ChangeDetector(self.max_gap_s), None, []
        for number, (image, t_s) in enumerate(zip(film, times_s, strict=True)):
            small, ts_ms = small_picture(image), round(1000 * t_s)
            if detector.is_new(reference, small, ts_ms):
                reference = Reference(small.cells, ts_ms)
                chosen.append(number)
        return chosen

    def sifted(self, adapter: ModelAdapter, groups: Sequence[FrameGroup]) -> list[SiftedGroup]:
        """Groups of one stream, each with the tokens that the engine would encode."""
        if self.patches == "keep":
            return [SiftedGroup(group, places=0, shown=None, scene=None) for group in groups]
        sieve, scene, found = PatchSieve(adapter, self.max_gap_s), None, list[SiftedGroup]()
        for group in groups:
            found.append(sieve.sift(scene, group))
            scene = found[-1].scene
        return found


USUAL = Footage()
"""What published figures are of, unless they say otherwise."""
