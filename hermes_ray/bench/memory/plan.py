"""How much the performance benchmark does: in full, quickly, or just enough to see that it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run.

    Attributes:
        stream_frames: lengths of the streams that the small model is asked about, ascending.
        questions: to each of them, one behind every further frame; 31 frames lie between two compactions.
        repetitions: of what is timed on the small model.
        large_repetitions: of what is timed at the 0.5B shape.
        recompute_frames: the small model re-encodes this many frames per question.
        large_recompute_frames: likewise at the 0.5B shape; fewer than 64 favour re-encoding.
        retrieval_frames: frames in host memory that retrieval picks from, small model.
        large_retrieval_frames: likewise at the 0.5B shape.
        layers: of the large decoder.
        vocabulary: of the large decoder.
        budget: of the large decoder's memory, tokens per layer.
    """

    stream_frames: tuple[int, ...] = (100, 1_000, 10_000)
    questions: int = 186
    repetitions: int = 20
    large_repetitions: int = 7
    recompute_frames: int = 64
    large_recompute_frames: int = 64
    retrieval_frames: int = 10_000
    large_retrieval_frames: int = 384
    layers: int = 24
    vocabulary: int = 152_000
    budget: int = 4096


FULL = Plan()

QUICK = Plan(
    stream_frames=(100, 1_000, 3_000),
    questions=62,
    large_repetitions=3,
    large_recompute_frames=8,
    retrieval_frames=1_000,
    large_retrieval_frames=96,
)

SMOKE = Plan(
    stream_frames=(100, 200),
    questions=5,
    repetitions=2,
    large_repetitions=1,
    recompute_frames=8,
    large_recompute_frames=2,
    retrieval_frames=80,
    large_retrieval_frames=8,
    layers=4,
    vocabulary=1_000,
    budget=1_200,
)
"""For tests of the benchmark itself: its numbers mean nothing."""
