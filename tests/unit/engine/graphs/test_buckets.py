"""In which shapes passes over frames are captured."""

from hermes_ray.engine.graphs.buckets import frame_shapes


def test_a_shape_that_whole_and_thinned_frames_share_is_captured_once() -> None:
    # Two memories: 1 to 4 frames of 8 tokens, and of more than one also a half and a quarter of their tokens.
    assert frame_shapes(4, 2, 8, thinned=True) == [
        (2, 4),
        (2, 6),
        (1, 8),
        (2, 8),
        (2, 12),
        (2, 16),
        (2, 24),
        (2, 32),
    ]
