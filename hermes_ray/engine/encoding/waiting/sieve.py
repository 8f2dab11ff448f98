"""Which tokens of frames show something new: every place is held against what was last encoded of it.

Published methods compare with the frame before (TimeChat-Online, arXiv 2504.17343; EVS, arXiv 2510.14624), so that
what changes slowly is never news, or compare what the vision tower makes of it, which another batch rounds otherwise.
Here a place is compared by its pixels with the newest token that was kept of it (:mod:`.change`): what is left out
follows from the frames alone, to the last bit, and before the tower.
"""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from hermes_ray.engine.encoding.waiting.change import GRID, in_the_light_of, news, small_picture
from hermes_ray.engine.residency.reference import SmallPicture
from hermes_ray.engine.residency.scene import Scene
from hermes_ray.models import FrameGroup, ModelAdapter, VisualBlock


@dataclass(frozen=True, slots=True)
class SiftedGroup:
    """A group of frames, and which of its tokens are to be encoded.

    Attributes:
        frames: the group.
        places: tokens that show the picture, text beside them apart.
        shown: numbers of those that are to be encoded, ascending; ``None`` for all, none if nothing is new.
        scene: what the memory shows once they are; ``None`` where nothing can be compared.
    """

    frames: FrameGroup
    places: int
    shown: tuple[int, ...] | None
    scene: Scene | None

    @property
    def is_new(self) -> bool:
        """Whether any of it is to be encoded."""
        return self.shown is None or len(self.shown) > 0

    @property
    def left_out(self) -> int:
        """Tokens that are not encoded."""
        return 0 if self.shown is None else self.places - len(self.shown)

    def thinned(self, block: VisualBlock) -> VisualBlock:
        """What the decoder takes of the group's block, with the numbers of its frames."""
        numbered = replace(block, numbers=self.frames.numbers)
        return numbered if self.shown is None else numbered.showing(self.shown, self.places)


class PatchSieve:
    """Sifts groups of one stream after another. It keeps nothing: what it says follows from its arguments.

    Args:
        adapter: the model.
        max_gap_s: a frame that was captured so long after the newest whole one is encoded whole, seconds.
    """

    def __init__(self, adapter: ModelAdapter, max_gap_s: float) -> None:
        self._adapter = adapter
        self._max_gap_ms = round(max_gap_s * 1000)

    @property
    def frames_per_block(self) -> int:
        """Frames of a complete group."""
        return self._adapter.frames_per_block

    def sift(self, scene: Scene | None, group: FrameGroup) -> SiftedGroup:
        """Say which tokens of a group are to be encoded.

        A token shows all frames of its group, so it is news if one of them is. Where anything is, the last place is
        encoded too: it holds the position that the next frame goes on behind.

        Args:
            scene: what the groups before it have left; ``None`` if there is none.
            group: complete.
        """
        _, height, width = group.pixels[0].shape
        rows, columns = self._adapter.grid(tuple(group.pixels[0].shape))
        places, elapsed_ms = rows * columns, group.elapsed_ms[0]
        if any(
            pixels.is_floating_point() for pixels in group.pixels
        ):  # normalised, of a snapshot of an earlier release
            return SiftedGroup(group, places, None, None)
        small = [_small(pixels, rows, columns) for pixels in group.pixels]
        whole = Scene(small[-1].cells, height, width, elapsed_ms)
        if scene is None or (scene.height, scene.width) != (height, width):
            return SiftedGroup(group, places, None, whole)
        if not 0 <= elapsed_ms - scene.whole_ms < self._max_gap_ms:
            return SiftedGroup(group, places, None, whole)
        changed = np.logical_or.reduce([news(scene.cells, picture) for picture in small])
        tall, wide = changed.shape[0] // rows, changed.shape[1] // columns
        new = changed.reshape(rows, tall, columns, wide).any(axis=(1, 3))
        if not new.any():
            return SiftedGroup(group, places, (), scene)
        new[-1, -1] = True
        if new.all():
            return SiftedGroup(group, places, None, whole)
        renewed = new.repeat(tall, axis=0).repeat(wide, axis=1)[..., None]
        merged = np.where(renewed, in_the_light_of(scene.cells, whole.cells), scene.cells)
        shown = tuple(int(place) for place in np.flatnonzero(new))
        return SiftedGroup(group, places, shown, Scene(merged, height, width, scene.whole_ms))


def _small(pixels: Tensor, rows: int, columns: int) -> SmallPicture:
    """The mean colours of regions, as many to each token, and as fine as those by which whole frames are compared.

    Args:
        pixels: ``[3, height, width]`` uint8.
        rows: of tokens.
        columns: of tokens.
    """
    image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())  # strips of it are summed much faster then
    return small_picture(image, rows * max(1, GRID // rows), columns * max(1, GRID // columns))
