"""The groups of a stream through its sieve, and what its memory notes of them."""

from collections.abc import Sequence

from hermes_ray.engine.encoding.waiting.frame_batch import WaitingFrame
from hermes_ray.engine.encoding.waiting.sieve import PatchSieve, SiftedGroup
from hermes_ray.engine.residency.stream_memory import StreamMemory
from hermes_ray.models import FrameGroup


def sift(
    sieve: PatchSieve | None, memory: StreamMemory, groups: Sequence[FrameGroup], frames: Sequence[WaitingFrame]
) -> list[SiftedGroup]:
    """Decide which tokens of a stream's next groups are encoded; frames of which nothing is are marked.

    Of a group that is left out only the frame that completes it is marked. Those before it count as encoded: each was
    held back if it came by itself, and what was asked then has seen it. So counts do not depend on how frames came.

    Args:
        sieve: ``None`` lets everything through.
        memory: whose; not modified.
        groups: complete, in order.
        frames: the newest frames, which complete them.
    """
    if sieve is None:
        return [SiftedGroup(group, places=0, shown=None, scene=None) for group in groups]
    scene, sifted = memory.scene, list[SiftedGroup]()
    for group in groups:
        sifted.append(sieve.sift(scene, group))
        scene = sifted[-1].scene
        if not sifted[-1].is_new:
            for number in group.numbers[sieve.frames_per_block - 1 :]:
                frames[number - memory.frames_seen].is_left_out = True
    return sifted


def note_sifted(memory: StreamMemory, groups: Sequence[SiftedGroup], *, failed: bool) -> int:
    """Note what the memory shows now, and how many tokens were left out; returns these.

    Args:
        memory: the groups are in it, before its frames are confirmed.
        groups: from :func:`sift`.
        failed: only those before ``memory.frames`` are in it.
    """
    done = [group for group in groups if not failed or group.frames.numbers[-1] < memory.frames]
    if done:
        memory.scene = done[-1].scene
    left_out = sum(group.left_out for group in done)
    memory.tokens_left_out += left_out
    return left_out
