"""Frames per second with ``memory.unchanged_patches: drop``, of cameras whose pictures change in a corner alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hermes_ray.bench.engine.bench import Bench
from hermes_ray.bench.engine.parts.ingest import all_streams
from hermes_ray.bench.engine.watched import Watched
from hermes_ray.bench.figures import Figure

_SQUARES = 12
"""Over the height: large enough that the mean colour of what a token shows is another one."""


def measure(bench: Bench, watched: Watched) -> Iterator[Figure]:
    """All streams at once, every token of their frames encoded and then only those that show something new.

    With features instead of a vision tower there are no pictures to compare, and no figure.
    """
    if not bench.subject.vision:
        return
    bench.doing("frames of which every token is encoded")
    kept, _, _ = all_streams(bench, watched)
    bench.doing("starting an engine that drops unchanged patches")
    subject = replace(bench.subject, pictures=changing_in_a_corner(bench.subject.pictures, bench.plan.seed))
    thinning = Watched(subject, watched.settings, watched.streams, unchanged_patches="drop")
    try:
        bench.doing("frames without their unchanged patches")
        before = thinning.left_out()
        dropped, frames, compactions = all_streams(bench, thinning)
        left_out = (thinning.left_out() - before) / (frames + thinning.streams)  # its first round is not timed
    finally:
        thinning.close()
    share = 1 - left_out / (subject.adapter.max_tokens_per_block / subject.adapter.frames_per_block)
    detail = {"share_of_tokens_encoded": share, "frames": frames, "compactions": compactions, "all_encoded_per_s": kept}
    note = "one frame of every stream in each step; memory.unchanged_patches: drop, a corner of each picture changes"
    yield bench.figure(f"ingest_{watched.streams}_streams_thinned", dropped, "frames/s", detail, note)
    yield bench.figure("thinned_over_whole", dropped / kept, "x", detail, "against memory.unchanged_patches: keep")


def changing_in_a_corner(pictures: Sequence[NDArray[np.uint8]], seed: int) -> list[NDArray[np.uint8]]:
    """The first of the pictures again and again, but for a corner, which shows squares of other colours each time.

    Less than half as wide as the picture: what changes over half of a row and more is taken for another light.
    """
    rng, changed = np.random.default_rng(seed), []
    for _ in pictures:
        picture = pictures[0].copy()
        height, width = picture.shape[:2]
        side = max(1, height // _SQUARES)
        corner = picture[height // 3 + side :, width - width // 3 + side :]  # off the tokens beside it
        colours = rng.integers(0, 256, (height // side + 1, width // side + 1, 3), dtype=np.uint8)
        corner[:] = colours.repeat(side, axis=0).repeat(side, axis=1)[: corner.shape[0], : corner.shape[1]]
        changed.append(picture)
    return changed
