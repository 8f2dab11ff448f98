"""What an H.264 packet holds, from its NAL units' headers (ITU-T H.264, clauses 7.3.1 to 7.3.3)."""

from dataclasses import dataclass, replace

from hermes_ray.video.codec.orientation import Orientation
from hermes_ray.video.codec.packets.bits import BitReader
from hermes_ray.video.codec.packets.contents import PacketContents
from hermes_ray.video.codec.packets.nal_units import Framing, unescaped
from hermes_ray.video.codec.packets.sei import MAX_SEI_BYTES, read_sei

_SLICE, _DATA_PARTITION, _IDR, _SEI, _SPS, _PPS, _DELIMITER = 1, 2, 5, 6, 7, 8, 9
_WITHOUT_PICTURE = frozenset({_SEI, _SPS, _PPS, _DELIMITER, 10, 11, 12})  # and ends of sequence and stream, filler
_DELIMITER_BYTES = 4
_INTRA = frozenset({2, 4, 7, 9})
_WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_HEADER_BYTES = 64
"""Of a slice, far more than the fields that are read of it."""
_PARAMETER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class _Sequence:
    """Of a sequence parameter set, what slice headers depend on."""

    frame_num_bits: int
    separate_planes: bool
    frames_only: bool


@dataclass(frozen=True, slots=True)
class _Slice:
    """Of a slice header, what tells pictures apart. ``field``: 0 of a frame, 1 top, 2 bottom."""

    intra: bool
    frame_num: int
    field: int


class H264Reader:
    """Reads what packets hold.

    Args:
        framing: how the units of a packet follow each other.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._sequences: dict[int, _Sequence | None] = {}
        self._pictures: dict[int, int] = {}  # picture parameter set to its sequence's
        self._open_field: _Slice | None = None
        self._orientation: Orientation | None = None

    def configure(self, extradata: bytes) -> None:
        """Take the parameter sets of an ``avcC`` box (ISO/IEC 14496-15, clause 5.3.3.1), or of a byte stream."""
        if extradata[:1] != b"\1":
            self._take_parameters(Framing(None).split(extradata))
            return
        self._framing = Framing((extradata[4] & 3) + 1 if len(extradata) > 4 else 4)
        position = 5
        for mask in (0x1F, 0xFF):
            if position >= len(extradata):
                return
            count = extradata[position] & mask
            position += 1
            for _ in range(count):
                size = int.from_bytes(extradata[position : position + 2], "big")
                self._take_parameters([extradata[position + 2 : position + 2 + size]])
                position += 2 + size

    def read(self, packet: bytes) -> PacketContents:
        """Say what the next packet holds."""
        units = [unit for unit in self._framing.split(packet) if unit]
        self._take_parameters(units)
        recovery_point = self._take_messages(units)
        coded = [unit for unit in units if _kind(unit) in (_SLICE, _DATA_PARTITION, _IDR)]
        if not coded:
            harmless = all(_is_without_picture(unit) for unit in units)
            # Otherwise it may be a damaged picture: one is owed.
            return PacketContents(picture=not harmless, coded=not harmless, shown=not harmless)
        idr = _kind(coded[0]) == _IDR
        contents = PacketContents(
            shown=True,
            whole_from_here=idr,
            may_drop_pending=idr,
            random_access=idr or recovery_point,
            orientation=self._orientation,
            parameter_sets=self._knows_parameters(coded[0]),
        )
        slices = [self._slice(unit) for unit in coded]
        first = slices[0]
        if first is None:
            return contents
        intra = all(each is not None and each.intra for each in slices)
        second = self._completes_pair(first)
        return replace(contents, picture=not second, shown=not second, random_access=contents.random_access or intra)

    def _take_parameters(self, units: list[bytes]) -> None:
        for unit in units:
            if _kind(unit) not in (_SPS, _PPS):
                continue
            reader = BitReader(unescaped(unit[1:], _PARAMETER_BYTES))
            try:
                if _kind(unit) == _SPS:
                    name, sequence = _read_sequence(reader)
                    self._sequences[name] = sequence
                else:
                    self._pictures[reader.ue()] = reader.ue()
            except EOFError:
                continue  # which leaves it unknown; the decoder judges whether that matters

    def _take_messages(self, units: list[bytes]) -> bool:
        recovery_point = False
        for unit in units:
            if _kind(unit) == _SEI:
                messages = read_sei(unescaped(unit[1:], MAX_SEI_BYTES))
                recovery_point |= messages.recovery_point
                self._orientation = messages.orientation or self._orientation
        return recovery_point

    def _knows_parameters(self, unit: bytes) -> bool:
        reader = BitReader(unescaped(unit[1:], _HEADER_BYTES))
        try:
            _first_macroblock, _type = reader.ue(), reader.ue()
            return self._pictures.get(reader.ue()) in self._sequences
        except EOFError:
            return bool(self._pictures and self._sequences)

    def _slice(self, unit: bytes) -> _Slice | None:
        """Return a slice's header, or ``None`` if it cannot be read."""
        reader = BitReader(unescaped(unit[1:], _HEADER_BYTES))
        try:
            reader.ue()  # first macroblock
            intra = reader.ue() in _INTRA
            sequence = self._sequences.get(self._pictures.get(reader.ue(), -1))
            if sequence is None:
                return None
            if sequence.separate_planes:
                reader.bits(2)
            frame_num = reader.bits(sequence.frame_num_bits)
            is_field = not sequence.frames_only and reader.flag()
            return _Slice(intra, frame_num, 1 + reader.flag() if is_field else 0)
        except EOFError:
            return None

    def _completes_pair(self, this: _Slice) -> bool:
        """Whether this is the second field of the picture before, and remember a first one."""
        before, self._open_field = self._open_field, None
        if this.field == 0:
            return False
        if before is not None and before.frame_num == this.frame_num and before.field != this.field:
            return True
        self._open_field = this
        return False


def _kind(unit: bytes) -> int:
    return unit[0] & 0x1F if unit else 0


def _is_without_picture(unit: bytes) -> bool:
    # One damaged bit makes a delimiter of a slice, but not a short one.
    return _kind(unit) in _WITHOUT_PICTURE and (_kind(unit) != _DELIMITER or len(unit) <= _DELIMITER_BYTES)


def _read_sequence(reader: BitReader) -> tuple[int, _Sequence]:
    """Return a sequence parameter set's number and content (clause 7.3.2.1.1)."""
    profile = reader.bits(8)
    reader.bits(16)  # constraints and level
    name = reader.ue()
    separate_planes = False
    if profile in _WITH_CHROMA_FORMAT:
        chroma_format = reader.ue()
        separate_planes = chroma_format == 3 and reader.flag()
        _depths, _bypass = (reader.ue(), reader.ue()), reader.flag()
        if reader.flag():
            _skip_scaling_lists(reader, 12 if chroma_format == 3 else 8)
    frame_num_bits = reader.ue() + 4
    order_type = reader.ue()
    if order_type == 0:
        reader.ue()
    elif order_type == 1:
        _always_zero, _offsets = reader.flag(), (reader.se(), reader.se())
        for _ in range(reader.ue()):
            reader.se()
    _references, _gaps, _size = reader.ue(), reader.flag(), (reader.ue(), reader.ue())
    return name, _Sequence(frame_num_bits, separate_planes, frames_only=reader.flag())


def _skip_scaling_lists(reader: BitReader, lists: int) -> None:
    for index in range(lists):
        if not reader.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + reader.se()) % 256
            last = following or last
