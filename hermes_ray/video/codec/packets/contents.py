"""What one packet holds, read from its own bytes: a packet is not always a picture, nor every picture to be shown."""

from dataclasses import dataclass
from typing import Protocol

from hermes_ray.video.codec.orientation import Orientation


@dataclass(frozen=True, slots=True)
class PacketContents:
    """What a packet brings.

    Attributes:
        picture: a picture begins here. False for a second field, and for units that only prepare or end a picture.
        coded: there is picture data, so the decoder must take the packet without an error.
        shown: whether the picture is to be shown; ``None`` if only decoding tells.
        random_access: decoding can begin here.
        whole_from_here: and if it begins here, every later picture that is to be shown can be decoded.
        may_drop_pending: the decoder may be told here to drop what it has not shown yet.
        parameter_sets: those that the picture names are known; ``None`` if the codec needs none or it cannot be told.
        orientation: how to turn the picture, where the stream says so.
        data: the packet as the decoder is to see it, where that is not the packet itself; empty for nothing.
    """

    picture: bool = True
    coded: bool = True
    shown: bool | None = None
    random_access: bool = False
    whole_from_here: bool = False
    may_drop_pending: bool = False
    parameter_sets: bool | None = None
    orientation: Orientation | None = None
    data: bytes | None = None


class ContentsReader(Protocol):
    """Reads one stream's packets in decoding order."""

    def configure(self, extradata: bytes) -> None:
        """Take the parameter sets that a container holds apart from the packets."""
        ...

    def read(self, packet: bytes) -> PacketContents:
        """Say what the next packet holds.

        Raises:
            UndecodableMedia: its structure is damaged.
        """
        ...


class Vp9Reader:
    """VP9 has pictures that are only referred to (VP9 bitstream specification, clauses 6.2 and annex B)."""

    def configure(self, extradata: bytes) -> None:
        """Nothing to take: a VP9 packet needs no other's headers."""

    def read(self, packet: bytes) -> PacketContents:
        """Say whether the packet holds a picture to be shown."""
        if not packet or packet[-1] >> 5 == 0b110:  # a superframe: hidden pictures and the one that is shown
            return PacketContents(whole_from_here=True)
        head = packet[0]
        reserved = 1 if head >> 4 == 0b1011 else 0  # profile 3 has one bit more
        exists_already = (head >> (3 - reserved)) & 1
        shown = exists_already or (head >> (1 - reserved)) & 1
        return PacketContents(picture=bool(shown), shown=bool(shown), whole_from_here=True)


class PlainReader:
    """Packets that hold one picture each, or a codec whose decoder tells.

    Args:
        shown: what to say of every packet.
        whole_from_here: likewise.
    """

    def __init__(self, *, shown: bool | None, whole_from_here: bool) -> None:
        self._contents = PacketContents(shown=shown, whole_from_here=whole_from_here)

    def configure(self, extradata: bytes) -> None:
        """Nothing to take."""

    def read(self, packet: bytes) -> PacketContents:
        """Say what every packet holds."""
        return self._contents
