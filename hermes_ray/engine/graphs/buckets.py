"""The few shapes that passes are captured in."""

from collections.abc import Sequence


def block_buckets(most: int) -> list[int]:
    """Numbers of frames that a captured pass takes: 1, 2, 3, 4, 6, 8, 12 ... up to ``most``.

    A pass is filled up by at most half of what it has, so that computing nothing costs less than launching.
    """
    sizes, power = [1], 2
    while power <= most:
        sizes += [power, power * 3 // 2]
        power *= 2
    return sorted({min(size, most) for size in [*sizes, most]})


def frame_shapes(most: int, slots: int, block: int, *, thinned: bool) -> list[tuple[int, int]]:
    """Rows and tokens of captured passes over frames, from few to many tokens.

    Args:
        most: frames of a step.
        slots: memories; each frame of a pass may be of another one.
        block: tokens of a whole frame.
        thinned: frames may lose tokens; then there are passes for as many frames of a quarter and of half of their
            tokens too.
    """
    shapes = [(min(frames, slots), frames * block) for frames in block_buckets(most)]
    if thinned:
        shapes += [(rows, tokens // share) for rows, tokens in shapes if rows > 1 for share in (4, 2)]
    return sorted(set(shapes), key=lambda shape: (shape[1], shape[0]))


def seat_buckets(seats: int) -> list[int]:
    """Numbers of answers that get their next token in one captured pass.

    All seats are read where they lie. Fewer are copied first, which costs about seven times as much each.
    """
    sizes, power = list[int](), 1
    while 7 * power < seats:
        sizes.append(power)
        power *= 2
    return [*sizes, seats]


def question_buckets(most: int) -> list[int]:
    """Tokens of questions that are read in one captured pass: at most 512, which take as long to compute as to launch.

    Args:
        most: tokens that can ever come together.
    """
    sizes = [size for size in (64, 128, 256, 512) if size // 2 < most]
    return sizes or [64]


def smallest(buckets: Sequence[int], needed: int) -> int | None:
    """The smallest that is large enough; ``None`` where none is."""
    return next((size for size in buckets if size >= needed), None)
