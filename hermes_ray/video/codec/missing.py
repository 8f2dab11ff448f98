"""Pictures that were owed and did not come: which of them are no sign of damage."""

from collections.abc import Sequence

from hermes_ray.errors import UndecodableMedia
from hermes_ray.video.codec.segment import Segment

_MOST_PENDING = 16
"""Pictures that a decoder of H.264 or HEVC may hold back at most (clause A.3.1 and A.4.2)."""


def check_missing(segment: Segment, shown: Sequence[int]) -> None:
    """Check that every picture that is to be shown was, but for those that a cut or the stream itself excuses.

    Args:
        segment: all packets.
        shown: the packets in which the pictures shown began.

    Raises:
        UndecodableMedia: pictures are missing, or there are none.
    """
    if not shown:
        raise UndecodableMedia(
            f"{segment.name} holds no picture that can be shown: none is whole before the segment ends, or all are "
            f"marked to be skipped; cut segments at keyframes"
        )
    came = set(shown)
    missing = [
        index
        for index, (packet, each) in enumerate(zip(segment.packets, segment.contents, strict=True))
        if each.shown and not packet.is_discard and index not in came
    ]
    lost = [index for index in missing if not _leads(segment, index, shown) and not _was_pending(segment, index)]
    if lost:
        raise UndecodableMedia(
            f"{segment.name} is damaged: {len(lost)} of {segment.pictures} pictures cannot be decoded"
        )


def _leads(segment: Segment, index: int, shown: Sequence[int]) -> bool:
    """Whether a picture comes before the stream is whole: only the random access point itself may come first."""
    if segment.contents[segment.first_picture].whole_from_here:
        return False
    return index < min(shown[1:], default=len(segment.packets))


def _was_pending(segment: Segment, index: int) -> bool:
    """Whether the decoder may have been told to drop a picture that it had not shown yet."""
    return any(each.may_drop_pending for each in segment.contents[index + 1 : index + 1 + _MOST_PENDING])
