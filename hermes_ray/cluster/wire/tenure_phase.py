"""Where a cluster stands among those that share its snapshot store."""

from enum import Enum


class TenurePhase(Enum):
    """In the order of a cluster's life; it never goes back."""

    WAITING = "waiting"
    """It has not claimed the streams yet: another one works, and this one is not ready to."""
    CLAIMED = "claimed"
    """The next generation is its own; it waits until the former one has let go, or is dead."""
    HOLDING = "holding"
    """The streams and the commits are its own. Always, where no other cluster can reach the store."""
    HANDING_OVER = "handing-over"
    """Another has claimed: it stops reading, and writes last snapshots."""
    HANDED_OVER = "handed-over"
    """It has let go, and answers from what it has seen until the next one has the memories."""
    OVER = "over"
    """The next one serves. This one answers nothing and changes nothing any more."""

    @property
    def has_let_go(self) -> bool:
        """Whether the streams are another's from now on."""
        return self in (TenurePhase.HANDING_OVER, TenurePhase.HANDED_OVER, TenurePhase.OVER)
